//! How far somebody has read. A mark is a position in the log, only ever raised; unread is a subtraction.

use bytes::Bytes;
use serde::Serialize;

use super::access::room_id;
use super::fields::{Field, Fields};
use super::known::AT_APPEND;
use super::live::{missing, room_of};
use super::members::user_in;
use super::{Caller, Chat, Refused, view};
use crate::model::{Change, ConversationId, Head, Member, ReadMark, RoomId, UserId};
use crate::ports::{Position, StoreError};

/// Where the caller's mark in a room stands now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReadUpTo {
    pub room_id: RoomId,
    pub read_seq: u64,
    /// Messages behind the mark.
    pub unread: u64,
}

/// What reading a direct conversation did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DirectRead {
    pub conversation: ConversationId,
    /// What was asked for, clamped to the head. No mark is kept of direct conversations: their inbox says what is new.
    pub read_seq: u64,
    /// Messages that were taken out of the inbox.
    pub acknowledged: usize,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Answer<'a> {
    ReadUpTo {
        #[serde(flatten)]
        read: &'a ReadUpTo,
    },
    DirectRead {
        #[serde(flatten)]
        read: &'a DirectRead,
    },
    TypingSet {
        room_id: &'a str,
        on: bool,
    },
}

impl Chat {
    /// Raises the caller's mark in a room to this `seq`, clamped to the head, and tells the room. A lower one changes nothing.
    pub async fn mark_read(&self, caller: &Caller, room: &str, seq: u64) -> Result<ReadUpTo, Refused> {
        let room = self.visible(caller, &room_id(room)?).await?;
        let Some(member) = self.ports.members.get(&room.id, &caller.user).await? else {
            return Err(not_a_member());
        };
        let (wanted, head) = self.mark_at(&room.id.conversation(), seq).await?;
        let known = self.read_mark(&room.id, &member);
        let mark = if wanted.seq > known.seq {
            let raised = self.ports.members.raise_mark(&room.id, &caller.user, wanted).await?;
            let raised = raised.ok_or_else(not_a_member)?;
            // A higher one was told by whoever raised it; after that this one would go backwards.
            if raised.seq == wanted.seq {
                self.pulse.read(&room.id, &caller.user, raised.seq);
            }
            raised
        } else {
            known
        };
        let unread = head.count.saturating_sub(mark.number);
        Ok(ReadUpTo { room_id: room.id.clone(), read_seq: mark.seq, unread })
    }

    /// Takes out of the caller's inbox what they and `with` wrote to each other up to this `seq`.
    pub async fn mark_read_direct(
        &self,
        caller: &Caller,
        with: &str,
        seq: u64,
    ) -> Result<DirectRead, Refused> {
        let other = user_in("with", with)?;
        let conversation = ConversationId::direct(&caller.user, &other);
        let head = self.ports.log.head(&conversation).await?.unwrap_or_default();
        let read_seq = seq.min(head.seq);
        let acknowledged = self.acknowledge_read(caller, with, read_seq).await?;
        Ok(DirectRead { conversation, read_seq, acknowledged })
    }

    /// The mark that stands at `seq`, which the head and what retention left clamp. The entry says how many messages there
    /// were up to it, so nothing is counted.
    async fn mark_at(&self, conversation: &ConversationId, seq: u64) -> Result<(ReadMark, Head), StoreError> {
        let page = self.ports.log.entries(conversation, seq.saturating_sub(1), 1).await?;
        let Some(page) = page else { return Ok(Default::default()) };
        let end = ReadMark { seq: page.head.seq, number: page.head.count };
        let mark = match page.entries.first() {
            _ if seq == 0 => ReadMark::default(),
            Some(entry) if entry.seq == seq => ReadMark { seq, number: entry.number },
            // What was asked for is gone, and with it everything before this entry.
            Some(entry) => {
                let own = u64::from(matches!(entry.change, Change::Message(_)));
                ReadMark { seq: entry.seq - 1, number: entry.number - own }
            }
            None => end,
        };
        Ok((mark, page.head))
    }

    /// How far a member has read, with what is not in the store yet.
    pub(super) fn read_mark(&self, room: &RoomId, member: &Member) -> ReadMark {
        member.read.raised_to(self.pulse.unwritten(room, &member.user))
    }

    /// Who sent a message has read up to it. Written behind, at most once a second.
    pub(super) async fn raise_own_mark(&self, conversation: &ConversationId, sender: &UserId, at: Position) {
        let Some(room) = conversation.room() else { return };
        let mark = ReadMark { seq: at.seq, number: at.number };
        if !self.pulse.sent(&room, sender, mark)
            && let Err(error) = self.ports.members.raise_mark(&room, sender, mark).await
        {
            tracing::debug!(error = &error as &dyn std::error::Error, "a sender's mark was not raised");
        }
    }

    /// Writes what is held back. Asked when the process ends.
    pub async fn flush(&self) {
        self.pulse.flush().await;
    }

    pub(super) async fn read_live(&self, caller: &Caller, fields: &mut Fields) -> Result<Bytes, Refused> {
        let seq = fields.number(Field::Seq)?.ok_or_else(|| missing(fields, Field::Seq))?;
        Ok(match fields.text(Field::With)? {
            Some(with) => {
                let read = self.mark_read_direct(caller, &with, seq).await?;
                view::encode(&Answer::DirectRead { read: &read })
            }
            None => {
                let read = self.mark_read(caller, &room_of(fields)?, seq).await?;
                view::encode(&Answer::ReadUpTo { read: &read })
            }
        })
    }

    /// The caller is typing in a room, or stopped. Told to the room at most once a second, and stored nowhere.
    pub(super) async fn typing_live(&self, caller: &Caller, fields: &mut Fields) -> Result<Bytes, Refused> {
        let on = fields.flag(Field::On)?.unwrap_or(true);
        let room = room_of(fields)?;
        let id = room_id(&room)?;
        self.may_send(&id, &caller.user, AT_APPEND).await?;
        if self.known.member(&id, &caller.user, AT_APPEND).await?.is_none() {
            return Err(not_a_member());
        }
        self.charge_room(&id)?;
        self.pulse.typing(&id, &caller.user, on);
        Ok(view::encode(&Answer::TypingSet { room_id: &room, on }))
    }
}

fn not_a_member() -> Refused {
    Refused::forbidden("not_a_member", "Only members of the room may do this.")
}
