use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::keys::Key;
use super::rows::{Table, behind, decode, encode, get, make_tables, text_behind};
use crate::adapters::engine::Engine;
use crate::ports::{DeadLetters, Letter, LetterKind, NewLetter, Replays, StoreError};

/// Kind, id -> the letter.
const LETTERS: Table = Table::new("dead_letters.v1.letters");

/// A letter without its id, which its key has.
#[derive(Serialize, Deserialize)]
struct Row {
    #[serde(flatten)]
    letter: NewLetter,
    #[serde(default)]
    replays: Replays,
}

impl Row {
    fn named(self, id: String) -> Letter {
        Letter { id, letter: self.letter, replays: self.replays }
    }
}

/// The letters of a data directory.
#[derive(Clone)]
pub struct FileDeadLetters {
    engine: Engine,
}

impl FileDeadLetters {
    pub async fn open(engine: &Engine) -> Result<Self, StoreError> {
        make_tables(engine, &[LETTERS]).await?;
        Ok(Self { engine: engine.clone() })
    }
}

#[async_trait]
impl DeadLetters for FileDeadLetters {
    async fn put(&self, letter: &NewLetter) -> Result<(), StoreError> {
        let row = Row { letter: letter.clone(), replays: Replays::default() };
        let (key, row) = (kind_key(letter.kind).then_text(&letter.id()), encode(&row)?);
        let put = move |txn: &redb::WriteTransaction| {
            let mut letters = txn.open_table(LETTERS)?;
            if redb::ReadableTable::get(&letters, key.as_bytes())?.is_none() {
                letters.insert(key.as_bytes(), row.as_slice())?;
            }
            Ok(())
        };
        self.engine.write(put).await
    }

    async fn get(&self, kind: LetterKind, id: &str) -> Result<Option<Letter>, StoreError> {
        let (key, id) = (kind_key(kind).then_text(id), id.to_owned());
        let find = move |txn: &redb::ReadTransaction| get::<Row>(&txn.open_table(LETTERS)?, &key);
        Ok(self.engine.scan(find).await?.map(|row| row.named(id)))
    }

    async fn list(
        &self,
        kind: LetterKind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Letter>, StoreError> {
        let after = after.map(|id| kind_key(kind).then_text(id));
        let list = move |txn: &redb::ReadTransaction| {
            let (prefix, letters) = (kind_key(kind), txn.open_table(LETTERS)?);
            let end = prefix.end_of_prefix();
            let page = letters.range::<&[u8]>(behind(&prefix, &end, after.as_ref()))?.take(limit);
            page.map(|row| {
                let (key, value) = row?;
                Ok(decode::<Row>(value.value())?.named(text_behind(&prefix, key.value())?))
            })
            .collect()
        };
        self.engine.scan(list).await
    }

    async fn note_replays(&self, kind: LetterKind, id: &str, replays: &Replays) -> Result<(), StoreError> {
        let (key, replays) = (kind_key(kind).then_text(id), replays.clone());
        let note = move |txn: &redb::WriteTransaction| {
            let mut letters = txn.open_table(LETTERS)?;
            if let Some(row) = get::<Row>(&letters, &key)? {
                let row = encode(&Row { replays: replays.clone(), ..row })?;
                letters.insert(key.as_bytes(), row.as_slice())?;
            }
            Ok(())
        };
        self.engine.write(note).await
    }

    async fn remove(&self, kind: LetterKind, id: &str) -> Result<Option<Letter>, StoreError> {
        let (key, id) = (kind_key(kind).then_text(id), id.to_owned());
        let remove = move |txn: &redb::WriteTransaction| {
            let mut letters = txn.open_table(LETTERS)?;
            let Some(row) = letters.remove(key.as_bytes())? else { return Ok(None) };
            Ok(Some(decode::<Row>(row.value())?.named(id.clone())))
        };
        self.engine.write(remove).await
    }
}

fn kind_key(kind: LetterKind) -> Key {
    Key::default().then_byte(match kind {
        LetterKind::Rejected => b'r',
        LetterKind::Dead => b'd',
        LetterKind::Waiting => b'w',
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::engine_in;
    use super::*;

    crate::contract_suite!(dead_letters, |dir| FileDeadLetters::open(&engine_in(dir).await).await.unwrap());
}
