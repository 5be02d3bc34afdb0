//! Fills the file store as the handler would: the same adapters, the same entries, only without anybody asking for it.

use std::path::Path;
use std::sync::Arc;

use futures_util::future::try_join_all;
use handler::adapters::engine::Engine;
use handler::adapters::file::{FileLog, FileMembers, FileRooms};
use handler::model::{
    Change, Marker, Member, MessageId, NewMessage, ReadMark, Role, Room, RoomId, Timestamp, UserId,
};
use handler::ports::{Log, Members, NewEntry, Outcome, Rooms};
use serde_json::json;

use crate::Outcome as Done;

/// Entries of one append, and members stored at once.
const BATCH: usize = 2_000;

pub(super) struct Seed {
    engine: Engine,
    rooms: FileRooms,
    members: Arc<FileMembers>,
    log: FileLog,
}

impl Seed {
    pub(super) async fn open(data: &Path) -> Done<Self> {
        let engine = Engine::open(data.join("chat.redb")).await?;
        Ok(Self {
            rooms: FileRooms::open(&engine).await?,
            members: Arc::new(FileMembers::open(&engine).await?),
            log: FileLog::open(&engine).await?,
            engine,
        })
    }

    /// A public room with so many members, `user-00000` and on; each one's `joined` entry is in the log.
    pub(super) async fn room(&self, id: &str, members: usize) -> Done {
        // From its row, whose newer fields have defaults.
        let row =
            json!({"id": id, "name": id, "description": "", "created_by": name(0), "created_at": at(0)});
        let room: Room = serde_json::from_value(row)?;
        self.rooms.create(&room).await?;
        self.log.open(&room.id.conversation()).await?;
        let rows: Vec<Member> = (0..members).map(member).collect::<Done<_>>()?;
        for some in rows.chunks(BATCH) {
            let joins = some.iter().map(|row| Change::Joined { user: row.user.clone(), role: row.role });
            self.append(&room.id, joins.collect()).await?;
            try_join_all(some.iter().map(|row| self.members.add(&room.id, row))).await?;
        }
        Ok(())
    }

    /// Messages of 100 bytes by the room's members in turn.
    pub(super) async fn messages(&self, room: &str, members: usize, count: usize) -> Done {
        let room = RoomId::new(room)?;
        for first in (0..count).step_by(BATCH) {
            let batch = first..count.min(first + BATCH);
            self.append(&room, batch.map(|n| message(n, members)).collect::<Done<_>>()?).await?;
        }
        Ok(())
    }

    /// Changes of every kind a client may have missed: of ten, seven messages, one edit, one reaction, one deletion.
    pub(super) async fn changes(&self, room: &str, members: usize, count: usize) -> Done {
        let room = RoomId::new(room)?;
        let first = self.log.head(&room.conversation()).await?.unwrap_or_default().seq + 1;
        let mut changes = Vec::with_capacity(count);
        for n in 0..count {
            let (tenth, by) = (first + (n - n % 10) as u64, user(n % members)?);
            changes.push(match n % 10 {
                7 => Change::Edit { target: tenth + 1, content: "said otherwise".to_owned(), by },
                8 => Change::Reaction { target: tenth + 2, emoji: "👍".to_owned(), by, on: true },
                9 => Change::Delete { target: tenth + 3, by, reason: None },
                _ => message(first as usize + n, members)?,
            });
        }
        for some in changes.chunks(BATCH) {
            self.append(&room, some.to_vec()).await?;
        }
        Ok(())
    }

    async fn append(&self, room: &RoomId, changes: Vec<Change>) -> Done {
        let conversation = room.conversation();
        let entries = changes.into_iter().map(|change| {
            let marker = match &change {
                Change::Message(message) => Some(Marker::new(&conversation, &message.sender, &message.id)),
                _ => None,
            };
            NewEntry { marker, at: at(1), change, only_behind: None }
        });
        let outcomes = self.log.append(&conversation, entries.collect()).await?;
        if let Some(other) = outcomes.iter().find(|outcome| !matches!(outcome, Outcome::Appended { .. })) {
            return Err(format!("the store is not filled as meant: {other:?}").into());
        }
        self.log.mark_sent(&conversation, u64::MAX).await?;
        Ok(())
    }

    pub(super) async fn close(self) {
        self.engine.clone().close().await;
    }
}

/// The name of the n-th user.
pub(super) fn name(n: usize) -> String {
    format!("user-{n:05}")
}

fn user(n: usize) -> Done<UserId> {
    Ok(UserId::new(&name(n))?)
}

fn at(minutes: u64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000 + minutes * 60_000)
}

fn member(n: usize) -> Done<Member> {
    let role = if n == 0 { Role::Owner } else { Role::Member };
    // The first entries of the log are the joins, in this order.
    let joined_seq = Some(n as u64 + 1);
    Ok(Member {
        user: user(n)?,
        role,
        joined_at: at(0),
        joined_seq,
        since: n as u64,
        read: ReadMark::default(),
    })
}

fn message(n: usize, members: usize) -> Done<Change> {
    Ok(Change::Message(NewMessage {
        id: MessageId::new(&format!("seed-{n}"))?,
        sender: user(n % members)?,
        sender_name: None,
        content: format!("{n:0100}"),
        sent_at: None,
        attachment_url: None,
        attachment_id: None,
        to: None,
        reply_to: None,
    }))
}
