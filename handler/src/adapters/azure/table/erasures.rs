use async_trait::async_trait;

use super::client::{Query, Table, Tables, Write, WriteError};
use super::keys;
use super::row::Row;
use crate::model::{Erasure, UserId};
use crate::ports::{Erasures, StoreError};

/// Erasures are few, so all of them are in one partition.
const PARTITION: &str = "v1";

/// The erasures of a storage account.
#[derive(Clone, Debug)]
pub struct TableErasures {
    table: Table,
}

impl TableErasures {
    #[must_use]
    pub fn new(tables: &Tables) -> Self {
        Self { table: tables.table("erasures") }
    }
}

#[async_trait]
impl Erasures for TableErasures {
    async fn put(&self, erasure: &Erasure) -> Result<(), StoreError> {
        let row = Row::new(PARTITION, &keys::sortable(erasure.user.as_str()))?
            .flag("Done", erasure.done_at.is_some())
            .json(erasure)?;
        match self.table.write_one(PARTITION, Write::Put(row)).await {
            Ok(_) => Ok(()),
            Err(WriteError::Refused(refusal)) => Err(refusal.into()),
            Err(WriteError::Store(error)) => Err(error),
        }
    }

    async fn get(&self, user: &UserId) -> Result<Option<Erasure>, StoreError> {
        let row = self.table.get(PARTITION, &keys::sortable(user.as_str())).await?;
        row.map(|row| row.get_json()).transpose()
    }

    async fn under_way(&self, limit: usize) -> Result<Vec<Erasure>, StoreError> {
        let query = Query::partition(PARTITION).and("Done eq false");
        self.table.query(&query, limit).await?.iter().map(Row::get_json).collect()
    }
}
