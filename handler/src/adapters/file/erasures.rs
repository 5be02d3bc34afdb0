use async_trait::async_trait;
use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use super::keys::Key;
use super::rows::{Table, decode, encode, get, make_tables};
use crate::adapters::engine::Engine;
use crate::model::{Erasure, UserId};
use crate::ports::{Erasures, StoreError};

/// User -> the erasure.
const ERASURES: Table = Table::new("erasures.v1.erasures");
/// User whose erasure is not done -> nothing.
const UNDER_WAY: Table = Table::new("erasures.v1.under_way");

/// The erasures of a data directory.
#[derive(Clone)]
pub struct FileErasures {
    engine: Engine,
}

impl FileErasures {
    pub async fn open(engine: &Engine) -> Result<Self, StoreError> {
        make_tables(engine, &[ERASURES, UNDER_WAY]).await?;
        Ok(Self { engine: engine.clone() })
    }
}

#[async_trait]
impl Erasures for FileErasures {
    async fn put(&self, erasure: &Erasure) -> Result<(), StoreError> {
        let (key, row, is_done) = (key(&erasure.user), encode(erasure)?, erasure.done_at.is_some());
        let put = move |txn: &WriteTransaction| {
            txn.open_table(ERASURES)?.insert(key.as_bytes(), row.as_slice())?;
            let mut under_way = txn.open_table(UNDER_WAY)?;
            if is_done {
                under_way.remove(key.as_bytes())?;
            } else {
                under_way.insert(key.as_bytes(), [].as_slice())?;
            }
            Ok(())
        };
        self.engine.write(put).await
    }

    async fn get(&self, user: &UserId) -> Result<Option<Erasure>, StoreError> {
        self.engine.read(|txn| get(&txn.open_table(ERASURES)?, &key(user)))
    }

    async fn under_way(&self, limit: usize) -> Result<Vec<Erasure>, StoreError> {
        let read = move |txn: &ReadTransaction| {
            let (erasures, under_way) = (txn.open_table(ERASURES)?, txn.open_table(UNDER_WAY)?);
            let mut found = Vec::new();
            for row in under_way.iter()?.take(limit) {
                if let Some(erasure) = erasures.get(row?.0.value())? {
                    found.push(decode(erasure.value())?);
                }
            }
            Ok(found)
        };
        self.engine.scan(read).await
    }
}

fn key(user: &UserId) -> Key {
    Key::default().then_text(user.as_str())
}

#[cfg(test)]
mod tests {
    use super::super::tests::engine_in;
    use super::*;

    crate::contract_suite!(erasures, |dir| FileErasures::open(&engine_in(dir).await).await.unwrap());
}
