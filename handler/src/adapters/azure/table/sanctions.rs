use async_trait::async_trait;

use super::client::{Match, Query, Table, Tables, Write, WriteError};
use super::row::{Row, corrupt};
use super::{keys, pause};
use crate::model::{RoomId, Sanction, SanctionKind, Timestamp, UserId};
use crate::ports::{Sanctions, StoreError};

/// Holds a note of every sanction that is not known to be applied, of all rooms.
const OPEN: &str = "open";
/// Notes read at once.
const PAGE: usize = 200;

/// The sanctions of a storage account, one partition per room. A note is written before the row that it is about, and
/// removed behind the one that needs it no more: a crash leaves a note too many, which the next reader removes.
#[derive(Clone, Debug)]
pub struct TableSanctions {
    table: Table,
}

fn partition(room: &RoomId) -> String {
    format!("v1-{room}")
}

const fn letter(kind: SanctionKind) -> char {
    match kind {
        SanctionKind::Ban => 'b',
        SanctionKind::Mute => 'm',
        SanctionKind::Removal => 'r',
    }
}

fn key(kind: SanctionKind, user: &UserId) -> String {
    format!("{}{}", letter(kind), keys::sortable(user.as_str()))
}

fn note_key(room: &RoomId, kind: SanctionKind, user: &UserId) -> String {
    format!("{room}.{}", key(kind, user))
}

impl TableSanctions {
    #[must_use]
    pub fn new(tables: &Tables) -> Self {
        Self { table: tables.table("sanctions") }
    }

    async fn find(&self, room: &RoomId, key: &str) -> Result<Option<(Sanction, String)>, StoreError> {
        let Some(row) = self.table.get(&partition(room), key).await? else { return Ok(None) };
        Ok(Some((row.get_json()?, row.etag()?.to_owned())))
    }

    async fn put_row(&self, partition: &str, row: Row) -> Result<(), StoreError> {
        match self.table.write_one(partition, Write::Put(row)).await {
            Ok(_) => Ok(()),
            Err(WriteError::Refused(refusal)) => Err(refusal.into()),
            Err(WriteError::Store(error)) => Err(error),
        }
    }

    /// Removes the note as it was seen, if it is of a sanction of that time: one of a later sanction stays.
    async fn forget_of(&self, note: Option<Row>, at: Timestamp) -> Result<(), StoreError> {
        let Some(note) = note.filter(|note| note.find_text("at") == Some(at.to_string().as_str())) else {
            return Ok(());
        };
        let delete = Write::Delete(note.key()?.to_owned(), Match::Etag(note.etag()?.to_owned()));
        match self.table.write_one(OPEN, delete).await {
            Ok(_) | Err(WriteError::Refused(_)) => Ok(()),
            Err(WriteError::Store(error)) => Err(error),
        }
    }
}

#[async_trait]
impl Sanctions for TableSanctions {
    async fn put(&self, room: &RoomId, sanction: &Sanction) -> Result<(), StoreError> {
        if !sanction.applied {
            let note = Row::new(OPEN, &note_key(room, sanction.kind, &sanction.user))?;
            self.put_row(OPEN, note.text("room", room.as_str()).text("at", &sanction.at.to_string())).await?;
        }
        let partition = partition(room);
        self.put_row(&partition, Row::new(&partition, &key(sanction.kind, &sanction.user))?.json(sanction)?)
            .await
    }

    async fn of(&self, room: &RoomId, user: &UserId) -> Result<Vec<Sanction>, StoreError> {
        let [ban, mute, removal] =
            [SanctionKind::Ban, SanctionKind::Mute, SanctionKind::Removal].map(|kind| key(kind, user));
        let found =
            tokio::try_join!(self.find(room, &ban), self.find(room, &mute), self.find(room, &removal))?;
        let found = [found.0, found.1, found.2];
        Ok(found.into_iter().flatten().map(|(sanction, _)| sanction).collect())
    }

    async fn list(
        &self,
        room: &RoomId,
        kind: SanctionKind,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Sanction>, StoreError> {
        let mut query = Query::partition(&partition(room)).beginning(&letter(kind).to_string());
        if let Some(after) = after {
            query = query.after(&key(kind, after));
        }
        self.table.query(&query, limit).await?.iter().map(Row::get_json).collect()
    }

    async fn remove(
        &self,
        room: &RoomId,
        user: &UserId,
        kind: SanctionKind,
    ) -> Result<Option<Sanction>, StoreError> {
        let note = self.table.get(OPEN, &note_key(room, kind, user)).await?;
        let mut retry = pause::Retry::default();
        let sanction = loop {
            let Some((sanction, etag)) = self.find(room, &key(kind, user)).await? else { return Ok(None) };
            let delete = Write::Delete(key(kind, user), Match::Etag(etag));
            match self.table.write_one(&partition(room), delete).await {
                Ok(_) => break sanction,
                Err(WriteError::Refused(_)) => retry.wait().await?,
                Err(WriteError::Store(error)) => return Err(error),
            }
        };
        self.forget_of(note, sanction.at).await?;
        Ok(Some(sanction))
    }

    async fn mark_applied(&self, room: &RoomId, sanction: &Sanction) -> Result<(), StoreError> {
        let (partition, key) = (partition(room), key(sanction.kind, &sanction.user));
        let note = self.table.get(OPEN, &note_key(room, sanction.kind, &sanction.user)).await?;
        let mut retry = pause::Retry::default();
        loop {
            let Some((there, etag)) = self.find(room, &key).await? else { return Ok(()) };
            if there.at != sanction.at || there.applied {
                return Ok(());
            }
            let row = Row::new(&partition, &key)?.json(&Sanction { applied: true, ..there })?;
            match self.table.write_one(&partition, Write::Replace(row, Match::Etag(etag))).await {
                Ok(_) => break,
                Err(WriteError::Refused(_)) => retry.wait().await?,
                Err(WriteError::Store(error)) => return Err(error),
            }
        }
        self.forget_of(note, sanction.at).await
    }

    async fn unapplied(&self, limit: usize) -> Result<Vec<(RoomId, Sanction)>, StoreError> {
        let (mut found, mut last) = (Vec::new(), String::new());
        while found.len() < limit {
            let notes = self.table.query(&Query::partition(OPEN).after(&last), PAGE).await?;
            let Some(note) = notes.last() else { break };
            note.key()?.clone_into(&mut last);
            for note in &notes {
                let room = RoomId::new(note.get_text("room")?).map_err(corrupt)?;
                let key = note.key()?.rsplit('.').next().unwrap_or_default();
                match self.find(&room, key).await? {
                    Some((sanction, _)) if !sanction.applied => {
                        if found.len() < limit {
                            found.push((room, sanction));
                        }
                    }
                    // One whose row is not there may be of a put that is under way.
                    Some((sanction, _)) => self.forget_of(Some(note.clone()), sanction.at).await?,
                    None => {}
                }
            }
        }
        Ok(found)
    }
}
