use async_trait::async_trait;

use super::keys::Key;
use super::rows::{Table, behind, decode, encode, make_tables, text_behind};
use crate::adapters::engine::Engine;
use crate::ports::{DeadLetters, Letter, LetterKind, NewLetter, StoreError};

/// Kind, id -> the letter.
const LETTERS: Table = Table::new("dead_letters.v1.letters");

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
        let (key, row) = (kind_key(letter.kind).then_text(&letter.id()), encode(letter)?);
        let put = move |txn: &redb::WriteTransaction| {
            let mut letters = txn.open_table(LETTERS)?;
            if redb::ReadableTable::get(&letters, key.as_bytes())?.is_none() {
                letters.insert(key.as_bytes(), row.as_slice())?;
            }
            Ok(())
        };
        self.engine.write(put).await
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
                Ok(Letter { id: text_behind(&prefix, key.value())?, letter: decode(value.value())? })
            })
            .collect()
        };
        self.engine.scan(list).await
    }

    async fn remove(&self, kind: LetterKind, id: &str) -> Result<Option<Letter>, StoreError> {
        let (key, id) = (kind_key(kind).then_text(id), id.to_owned());
        let remove = move |txn: &redb::WriteTransaction| {
            let mut letters = txn.open_table(LETTERS)?;
            let Some(row) = letters.remove(key.as_bytes())? else { return Ok(None) };
            Ok(Some(Letter { id: id.clone(), letter: decode(row.value())? }))
        };
        self.engine.write(remove).await
    }
}

fn kind_key(kind: LetterKind) -> Key {
    Key::default().then_byte(match kind {
        LetterKind::Rejected => b'r',
        LetterKind::Dead => b'd',
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::engine_in;
    use super::*;

    crate::contract_suite!(dead_letters, |dir| FileDeadLetters::open(&engine_in(dir).await).await.unwrap());
}
