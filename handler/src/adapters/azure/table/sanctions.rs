use async_trait::async_trait;

use super::client::{Match, Query, Table, Tables, Write, WriteError};
use super::row::{Row, corrupt};
use super::{keys, pause};
use crate::model::{RoomId, Sanction, SanctionKind, Timestamp, UserId};
use crate::ports::{Sanctions, StoreError};

/// Notes of the sanctions of all rooms that are not known to be applied: room, kind, user.
const OPEN: &str = "open";
/// Notes of those that end by themselves: when, room, kind, user.
const ENDING: &str = "ending";
/// Notes read at once.
const PAGE: usize = 200;
/// A note whose row is not there may be of a put that is under way, for so long.
const GRACE_MILLIS: u64 = 60 * 60 * 1_000;

/// The sanctions of a storage account, one partition per room. A note is written before the row that it is about, and
/// removed behind the one that needs it no more: a crash leaves a note too many, which counts for nothing.
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

fn open_key(room: &RoomId, key: &str) -> String {
    format!("{room}.{key}")
}

fn ending_key(until: Timestamp, room: &RoomId, key: &str) -> String {
    format!("{}.{room}.{key}", keys::number('u', until.millis()))
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

    async fn note(&self, notes: &str, key: &str, room: &RoomId, at: Timestamp) -> Result<(), StoreError> {
        self.put_row(notes, Row::new(notes, key)?.text("room", room.as_str()).text("at", &at.to_string()))
            .await
    }

    /// Removes the note as it was seen: one that was written again stays.
    async fn forget(&self, notes: &str, note: &Row) -> Result<(), StoreError> {
        let delete = Write::Delete(note.key()?.to_owned(), Match::Etag(note.etag()?.to_owned()));
        match self.table.write_one(notes, delete).await {
            Ok(_) | Err(WriteError::Refused(_)) => Ok(()),
            Err(WriteError::Store(error)) => Err(error),
        }
    }

    /// Removes the row, if it is there and meant, then its notes as they were before.
    async fn erase(&self, room: &RoomId, sanction: &Sanction) -> Result<bool, StoreError> {
        let key = key(sanction.kind, &sanction.user);
        let mut retry = pause::Retry::default();
        loop {
            let open = self.table.get(OPEN, &open_key(room, &key)).await?;
            let ending = match sanction.until {
                Some(until) => self.table.get(ENDING, &ending_key(until, room, &key)).await?,
                None => None,
            };
            let etag = match self.find(room, &key).await? {
                Some((row, etag)) if row.is_same(sanction) => etag,
                _ => return Ok(false),
            };
            match self.table.write_one(&partition(room), Write::Delete(key.clone(), Match::Etag(etag))).await
            {
                Ok(_) => {}
                Err(WriteError::Refused(_)) => {
                    retry.wait().await?;
                    continue;
                }
                Err(WriteError::Store(error)) => return Err(error),
            }
            for (notes, note) in [(OPEN, open), (ENDING, ending)] {
                if let Some(note) = note.filter(|note| is_of(note, sanction)) {
                    self.forget(notes, &note).await?;
                }
            }
            return Ok(true);
        }
    }

    /// The row that a note is about.
    async fn noted(&self, note: &Row) -> Result<(RoomId, Option<Sanction>), StoreError> {
        let room = RoomId::new(note.get_text("room")?).map_err(corrupt)?;
        let key = note.key()?.rsplit('.').next().unwrap_or_default();
        let row = self.find(&room, key).await?.map(|(row, _)| row);
        Ok((room, row))
    }
}

/// Whether the note was written with this row.
fn is_of(note: &Row, row: &Sanction) -> bool {
    note.find_text("at") == Some(row.at.to_string().as_str())
}

#[async_trait]
impl Sanctions for TableSanctions {
    async fn put(&self, room: &RoomId, sanction: &Sanction) -> Result<(), StoreError> {
        let (partition, key) = (partition(room), key(sanction.kind, &sanction.user));
        if !sanction.applied {
            self.note(OPEN, &open_key(room, &key), room, sanction.at).await?;
        }
        if let Some(until) = sanction.until {
            self.note(ENDING, &ending_key(until, room, &key), room, sanction.at).await?;
        }
        self.put_row(&partition, Row::new(&partition, &key)?.json(sanction)?).await
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

    async fn remove(&self, room: &RoomId, sanction: &Sanction) -> Result<bool, StoreError> {
        self.erase(room, sanction).await
    }

    async fn mark_applied(&self, room: &RoomId, sanction: &Sanction) -> Result<(), StoreError> {
        let (partition, key) = (partition(room), key(sanction.kind, &sanction.user));
        let note = self.table.get(OPEN, &open_key(room, &key)).await?;
        let mut retry = pause::Retry::default();
        loop {
            let Some((there, etag)) = self.find(room, &key).await? else { return Ok(()) };
            if !there.is_same(sanction) {
                return Ok(());
            }
            if there.applied {
                break;
            }
            let row = Row::new(&partition, &key)?.json(&Sanction { applied: true, ..there })?;
            match self.table.write_one(&partition, Write::Replace(row, Match::Etag(etag))).await {
                Ok(_) => break,
                Err(WriteError::Refused(_)) => retry.wait().await?,
                Err(WriteError::Store(error)) => return Err(error),
            }
        }
        match note.filter(|note| is_of(note, sanction)) {
            Some(note) => self.forget(OPEN, &note).await,
            None => Ok(()),
        }
    }

    async fn unapplied(
        &self,
        after: Option<(&RoomId, &Sanction)>,
        limit: usize,
    ) -> Result<Vec<(RoomId, Sanction)>, StoreError> {
        let after = after.map(|(room, row)| open_key(room, &key(row.kind, &row.user)));
        let (mut found, mut last) = (Vec::new(), after.unwrap_or_default());
        while found.len() < limit {
            let notes = self.table.query(&Query::partition(OPEN).after(&last), PAGE).await?;
            let Some(note) = notes.last() else { break };
            note.key()?.clone_into(&mut last);
            for note in &notes {
                let (room, row) = self.noted(note).await?;
                match row {
                    Some(row) if !row.applied => found.push((room, row)),
                    Some(row) if is_of(note, &row) => self.forget(OPEN, note).await?,
                    _ => {}
                }
                if found.len() == limit {
                    break;
                }
            }
        }
        Ok(found)
    }

    async fn expired(&self, now: Timestamp, limit: usize) -> Result<Vec<(RoomId, Sanction)>, StoreError> {
        let end = keys::number('u', now.millis().saturating_add(1));
        let (mut found, mut last) = (Vec::new(), String::new());
        while found.len() < limit {
            let notes = self.table.query(&Query::partition(ENDING).after(&last).before(&end), PAGE).await?;
            let Some(note) = notes.last() else { break };
            note.key()?.clone_into(&mut last);
            for note in &notes {
                let until = note.key()?.get(1..21).and_then(|digits| digits.parse().ok()).unwrap_or(0);
                let (room, row) = self.noted(note).await?;
                match row {
                    Some(row) if row.until.map(Timestamp::millis) == Some(until) => {
                        found.extend(row.applied.then_some((room, row)));
                    }
                    _ if until.saturating_add(GRACE_MILLIS) < now.millis() => {
                        self.forget(ENDING, note).await?;
                    }
                    _ => {}
                }
                if found.len() == limit {
                    break;
                }
            }
        }
        Ok(found)
    }
}
