use async_trait::async_trait;
use redb::{ReadableTable, WriteTransaction};

use super::keys::Key;
use super::rows::{Table, encode, get, make_tables};
use crate::adapters::engine::Engine;
use crate::model::{HandledEvent, Timestamp};
use crate::ports::{Handled, StoreError};

/// Connection, event -> what was noted.
const EVENTS: Table = Table::new("handled.v1.events");
/// When it was noted, connection, event -> the event's key.
const BY_TIME: Table = Table::new("handled.v1.by_time");

/// The handled events of a data directory.
#[derive(Clone)]
pub struct FileHandled {
    engine: Engine,
}

impl FileHandled {
    pub async fn open(engine: &Engine) -> Result<Self, StoreError> {
        make_tables(engine, &[EVENTS, BY_TIME]).await?;
        Ok(Self { engine: engine.clone() })
    }
}

#[async_trait]
impl Handled for FileHandled {
    async fn note(&self, event: &HandledEvent) -> Result<(), StoreError> {
        let (key, row) = (key(&event.connection, &event.id), encode(event)?);
        let by_time = Key::default().then_number(event.at.millis()).then_key(&key);
        let note = move |txn: &WriteTransaction| {
            let mut events = txn.open_table(EVENTS)?;
            if events.get(key.as_bytes())?.is_none() {
                events.insert(key.as_bytes(), row.as_slice())?;
                txn.open_table(BY_TIME)?.insert(by_time.as_bytes(), key.as_bytes())?;
            }
            Ok(())
        };
        self.engine.write(note).await
    }

    async fn find(&self, connection: &str, id: &str) -> Result<Option<HandledEvent>, StoreError> {
        self.engine.read(|txn| get(&txn.open_table(EVENTS)?, &key(connection, id)))
    }

    async fn forget(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let end = Key::default().then_number(before.millis());
        let forget = move |txn: &WriteTransaction| {
            let (mut events, mut by_time) = (txn.open_table(EVENTS)?, txn.open_table(BY_TIME)?);
            let mut old = Vec::new();
            for row in by_time.range::<&[u8]>(..end.as_bytes())?.take(limit) {
                let (at, key) = row?;
                old.push((at.value().to_vec(), key.value().to_vec()));
            }
            for (at, key) in &old {
                by_time.remove(at.as_slice())?;
                events.remove(key.as_slice())?;
            }
            Ok(old.len())
        };
        self.engine.write(forget).await
    }
}

/// The connection's length stands first, so that no two pairs are one key.
fn key(connection: &str, id: &str) -> Key {
    Key::default().then_number(connection.len() as u64).then_text(connection).then_text(id)
}

#[cfg(test)]
mod tests {
    use super::super::tests::engine_in;
    use super::*;

    crate::contract_suite!(handled, |dir| FileHandled::open(&engine_in(dir).await).await.unwrap());
}
