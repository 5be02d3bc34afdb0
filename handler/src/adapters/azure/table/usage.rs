use async_trait::async_trait;

use super::client::{Match, Query, Table, Tables, Write, WriteError};
use super::keys;
use super::row::Row;
use crate::model::UsageReport;
use crate::ports::{StoreError, Usage};

/// One partition, which is read as a whole: a row per process.
const PARTITION: &str = "v1";

#[derive(Clone, Debug)]
pub struct TableUsage {
    table: Table,
}

impl TableUsage {
    #[must_use]
    pub fn new(tables: &Tables) -> Self {
        Self { table: tables.table("usage") }
    }
}

#[async_trait]
impl Usage for TableUsage {
    async fn tell(&self, report: &UsageReport) -> Result<(), StoreError> {
        let row = Row::new(PARTITION, &keys::sortable(&report.instance))?.json(report)?;
        match self.table.write_one(PARTITION, Write::Put(row)).await {
            Ok(_) => Ok(()),
            Err(WriteError::Refused(refusal)) => Err(refusal.into()),
            Err(WriteError::Store(error)) => Err(error),
        }
    }

    async fn forget(&self, instance: &str) -> Result<(), StoreError> {
        match self.table.write_one(PARTITION, Write::Delete(keys::sortable(instance), Match::Any)).await {
            Ok(_) | Err(WriteError::Refused(_)) => Ok(()),
            Err(WriteError::Store(error)) => Err(error),
        }
    }

    async fn all(&self) -> Result<Vec<UsageReport>, StoreError> {
        let rows = self.table.query(&Query::partition(PARTITION), usize::MAX).await?;
        rows.iter().map(Row::get_json).collect()
    }
}
