use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::client::{Match, Query, Table, Tables, Write, WriteError};
use super::row::Row;
use super::{keys, pause};
use crate::ports::{DeadLetters, Letter, LetterKind, NewLetter, Replays, StoreError};

/// Characters of a long id that stand in its key; each may be two UTF-16 units.
const BEGINNING: usize = 200;

/// The letters of a storage account, one partition per kind. Ids begin with their time, so keys sort by it.
#[derive(Clone, Debug)]
pub struct TableDeadLetters {
    table: Table,
}

const fn partition(kind: LetterKind) -> &'static str {
    match kind {
        LetterKind::Rejected => "v1-rejected",
        LetterKind::Dead => "v1-dead",
        LetterKind::Waiting => "v1-waiting",
    }
}

/// An id may be longer than a key: then its beginning, which has the time, and a hash of all of it.
fn key(id: &str) -> String {
    let key = keys::escaped(id);
    if key.encode_utf16().count() <= keys::KEY_UTF16_UNITS {
        return key;
    }
    let beginning: String = key.chars().take(BEGINNING).collect();
    format!("{beginning}~{}", hex::encode(Sha256::digest(id)))
}

impl TableDeadLetters {
    #[must_use]
    pub fn new(tables: &Tables) -> Self {
        Self { table: tables.table("letters") }
    }
}

#[async_trait]
impl DeadLetters for TableDeadLetters {
    async fn put(&self, letter: &NewLetter) -> Result<(), StoreError> {
        let (partition, id) = (partition(letter.kind), letter.id());
        let row = Row::new(partition, &key(&id))?.text("code", &letter.code);
        let row = row.json(&Letter::new(letter.clone()))?;
        match self.table.write_one(partition, Write::Insert(row)).await {
            Ok(_) | Err(WriteError::Refused(_)) => Ok(()),
            Err(WriteError::Store(error)) => Err(error),
        }
    }

    async fn get(&self, kind: LetterKind, id: &str) -> Result<Option<Letter>, StoreError> {
        self.table.get(partition(kind), &key(id)).await?.map(|row| row.get_json()).transpose()
    }

    async fn list(
        &self,
        kind: LetterKind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Letter>, StoreError> {
        let mut query = Query::partition(partition(kind));
        if let Some(after) = after {
            query = query.after(&key(after));
        }
        self.table.query(&query, limit).await?.iter().map(Row::get_json).collect()
    }

    async fn note_replays(&self, kind: LetterKind, id: &str, replays: &Replays) -> Result<(), StoreError> {
        let (partition, key) = (partition(kind), key(id));
        let mut retry = pause::Retry::default();
        loop {
            let Some(row) = self.table.get(partition, &key).await? else { return Ok(()) };
            let letter = Letter { replays: replays.clone(), ..row.get_json()? };
            let new = Row::new(partition, &key)?.text("code", &letter.letter.code).json(&letter)?;
            let replace = Write::Replace(new, Match::Etag(row.etag()?.to_owned()));
            match self.table.write_one(partition, replace).await {
                Ok(_) => return Ok(()),
                Err(WriteError::Refused(_)) => retry.wait().await?,
                Err(WriteError::Store(error)) => return Err(error),
            }
        }
    }

    async fn remove(&self, kind: LetterKind, id: &str) -> Result<Option<Letter>, StoreError> {
        let key = key(id);
        let Some(row) = self.table.get(partition(kind), &key).await? else { return Ok(None) };
        match self.table.write_one(partition(kind), Write::Delete(key, Match::Any)).await {
            Ok(_) => Ok(Some(row.get_json()?)),
            Err(WriteError::Refused(_)) => Ok(None),
            Err(WriteError::Store(error)) => Err(error),
        }
    }
}
