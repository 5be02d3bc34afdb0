use async_trait::async_trait;

use super::client::{Match, Query, Table, Tables, Write, WriteError};
use super::keys;
use super::row::Row;
use crate::model::{HandledEvent, Timestamp};
use crate::ports::{Handled, StoreError};

/// One partition per connection, a row per event.
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

impl TableHandled {
    #[must_use]
    pub fn new(tables: &Tables) -> Self {
        Self { table: tables.table("handled") }
    }
}

#[async_trait]
impl Handled for TableHandled {
    async fn note(&self, event: &HandledEvent) -> Result<(), StoreError> {
        let partition = partition(&event.connection);
        let row = Row::new(&partition, &key(&event.id))?;
        let row = row.text("noted", &keys::number('t', event.at.millis())).json(event)?;
        match self.table.write_one(&partition, Write::Insert(row)).await {
            Ok(_) | Err(WriteError::Refused(_)) => Ok(()),
            Err(WriteError::Store(error)) => Err(error),
        }
    }

    async fn find(&self, connection: &str, id: &str) -> Result<Option<HandledEvent>, StoreError> {
        let row = self.table.get(&partition(connection), &key(id)).await?;
        row.as_ref().map(Row::get_json).transpose()
    }

    async fn forget(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let old = Query::all().and(&format!("noted lt '{}'", keys::number('t', before.millis())));
        let rows = self.table.query(&old, limit).await?;
        let mut forgotten = 0;
        for row in &rows {
            let event: HandledEvent = row.get_json()?;
            let delete = Write::Delete(key(&event.id), Match::Any);
            match self.table.write_one(&partition(&event.connection), delete).await {
                Ok(_) => forgotten += 1,
                // Another process was first.
                Err(WriteError::Refused(_)) => {}
                Err(WriteError::Store(error)) => return Err(error),
            }
        }
        Ok(forgotten)
    }
}
