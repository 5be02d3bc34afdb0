use std::collections::BTreeMap;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};

use super::client::{Match, Query, TRANSACTION_ROWS, Table, Tables, Write, WriteError};
use super::keys;
use super::row::{Row, corrupt};
use crate::model::bounds::DAY_MILLIS;
use crate::model::{HandledEvent, Timestamp};
use crate::ports::{Handled, StoreError};

/// Transactions of connections that are sent at once.
const AT_ONCE: usize = 16;
const CONNECTION: &str = "connection";
const ID: &str = "id";

/// One partition per connection, a row per event. Beside them each event stands by its time, one partition per day, so that the
/// old ones are found without a look at the others. That is written before the row it is about: what has no row is no harm.
#[derive(Clone, Debug)]
pub struct TableHandled {
    table: Table,
}

fn partition(connection: &str) -> String {
    format!("v1-{}", keys::sortable(connection))
}

fn key(id: &str) -> String {
    format!("e{}", keys::sortable(id))
}

/// `t` and the day. All of them stand before the partitions of connections.
fn day(at: Timestamp) -> String {
    format!("t{:012}", at.millis() / DAY_MILLIS)
}

fn millis(at: Timestamp) -> String {
    keys::number('m', at.millis())
}

/// The time, then what tells the event from others of that time. Its names may be too long for one key.
fn place(event: &HandledEvent) -> String {
    let mut names = Sha256::new();
    names.update((event.connection.len() as u64).to_be_bytes());
    names.update(&event.connection);
    names.update(&event.id);
    format!("{}.{}", millis(event.at), hex::encode(names.finalize()))
}

impl TableHandled {
    #[must_use]
    pub fn new(tables: &Tables) -> Self {
        Self { table: tables.table("handled") }
    }

    async fn write_place(&self, event: &HandledEvent) -> Result<(), StoreError> {
        let row = Row::new(&day(event.at), &place(event))?;
        let row = row.text(CONNECTION, &event.connection).text(ID, &event.id);
        match self.table.write_one(&day(event.at), Write::Put(row)).await {
            Ok(_) | Err(WriteError::Refused(_)) => Ok(()),
            Err(WriteError::Store(error)) => Err(error),
        }
    }

    /// The event had been noted. Where that was at another time, it stands there.
    async fn take_back_place(&self, event: &HandledEvent) -> Result<(), StoreError> {
        let first = self.find(&event.connection, &event.id).await?;
        if first.is_some_and(|first| first.at == event.at) {
            return Ok(());
        }
        self.delete(&day(event.at), vec![place(event)]).await
    }

    /// Removes rows of one partition. Who finds one of them gone removes the others by themselves.
    async fn delete(&self, partition: &str, keys: Vec<String>) -> Result<(), StoreError> {
        for some in keys.chunks(TRANSACTION_ROWS) {
            let deletes = some.iter().map(|key| Write::Delete(key.clone(), Match::Any)).collect();
            match self.table.write(partition, deletes).await {
                Ok(_) => continue,
                Err(WriteError::Refused(_)) => {}
                Err(WriteError::Store(error)) => return Err(error),
            }
            for key in some {
                match self.table.write_one(partition, Write::Delete(key.clone(), Match::Any)).await {
                    Ok(_) | Err(WriteError::Refused(_)) => {}
                    Err(WriteError::Store(error)) => return Err(error),
                }
            }
        }
        Ok(())
    }

    async fn delete_all(&self, partitions: BTreeMap<String, Vec<String>>) -> Result<(), StoreError> {
        let deletes = partitions
            .into_iter()
            .map(|(partition, keys)| async move { self.delete(&partition, keys).await });
        stream::iter(deletes).buffer_unordered(AT_ONCE).try_collect().await
    }
}

#[async_trait]
impl Handled for TableHandled {
    async fn note(&self, event: &HandledEvent) -> Result<(), StoreError> {
        let partition = partition(&event.connection);
        let row = Row::new(&partition, &key(&event.id))?.json(event)?;
        self.write_place(event).await?;
        match self.table.write_one(&partition, Write::Insert(row)).await {
            Ok(_) => Ok(()),
            Err(WriteError::Refused(_)) => self.take_back_place(event).await,
            Err(WriteError::Store(error)) => Err(error),
        }
    }

    async fn find(&self, connection: &str, id: &str) -> Result<Option<HandledEvent>, StoreError> {
        let row = self.table.get(&partition(connection), &key(id)).await?;
        row.as_ref().map(Row::get_json).transpose()
    }

    async fn forget(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let (last, end) = (day(before), millis(before));
        // Both ends first: the service reads no more than the partitions between them.
        let old = Query::partitions_from("t")
            .and(&format!("PartitionKey le '{last}'"))
            .and(&format!("(PartitionKey lt '{last}' or RowKey lt '{end}')"));
        let rows = self.table.query(&old, limit).await?;
        let (mut events, mut places) = (BTreeMap::<_, Vec<_>>::new(), BTreeMap::<_, Vec<_>>::new());
        for row in &rows {
            let of_day = row.find_text("PartitionKey").ok_or_else(|| corrupt("a row without a partition"))?;
            places.entry(of_day.to_owned()).or_default().push(row.key()?.to_owned());
            events.entry(partition(row.get_text(CONNECTION)?)).or_default().push(key(row.get_text(ID)?));
        }
        // The events first: while their places are there, the next round finds both.
        self.delete_all(events).await?;
        self.delete_all(places).await?;
        Ok(rows.len())
    }
}
