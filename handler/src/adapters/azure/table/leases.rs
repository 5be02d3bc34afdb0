use async_trait::async_trait;
use futures_util::{StreamExt, stream};

use super::client::{Match, Query, Table, Tables, Write, WriteError};
use super::keys;
use super::row::Row;
use crate::model::{Lease, UserId};
use crate::ports::{Leases, StoreError};

/// Users asked about at once.
const AT_ONCE: usize = 16;

/// The live connections of a service that many processes answer for: one partition per user.
#[derive(Clone, Debug)]
pub struct TableLeases {
    table: Table,
}

fn partition(user: &UserId) -> String {
    format!("v1-{}", keys::sortable(user.as_str()))
}

impl TableLeases {
    #[must_use]
    pub fn new(tables: &Tables) -> Self {
        Self { table: tables.table("leases") }
    }

    async fn is_online(&self, user: &UserId) -> Result<bool, StoreError> {
        let confirmed = Query::partition(&partition(user)).and("confirmed eq true").columns("RowKey");
        Ok(!self.table.query(&confirmed, 1).await?.is_empty())
    }
}

#[async_trait]
impl Leases for TableLeases {
    async fn put(&self, lease: &Lease) -> Result<(), StoreError> {
        let partition = partition(&lease.user);
        let row = Row::new(&partition, &keys::sortable(&lease.connection))?;
        let row = row.flag("confirmed", lease.confirmed).json(lease)?;
        match self.table.write_one(&partition, Write::Put(row)).await {
            Ok(_) => Ok(()),
            Err(WriteError::Refused(refusal)) => Err(refusal.into()),
            Err(WriteError::Store(error)) => Err(error),
        }
    }

    async fn remove(&self, user: &UserId, connection: &str) -> Result<bool, StoreError> {
        let delete = Write::Delete(keys::sortable(connection), Match::Any);
        match self.table.write_one(&partition(user), delete).await {
            Ok(_) => Ok(true),
            Err(WriteError::Refused(_)) => Ok(false),
            Err(WriteError::Store(error)) => Err(error),
        }
    }

    async fn of(&self, user: &UserId) -> Result<Vec<Lease>, StoreError> {
        let rows = self.table.query(&Query::partition(&partition(user)), usize::MAX).await?;
        rows.iter().map(Row::get_json).collect()
    }

    async fn online(&self, users: &[UserId]) -> Result<Vec<bool>, StoreError> {
        let asked =
            stream::iter(users.to_vec()).map(async |user| self.is_online(&user).await).buffered(AT_ONCE);
        asked.collect::<Vec<_>>().await.into_iter().collect()
    }

    async fn list(&self, after: Option<(&UserId, &str)>, limit: usize) -> Result<Vec<Lease>, StoreError> {
        let mut query = Query::all();
        if let Some((user, connection)) = after {
            let (user, connection) = (partition(user), keys::sortable(connection));
            let behind = "(PartitionKey gt '{u}' or (PartitionKey eq '{u}' and RowKey gt '{c}'))";
            query = query.and(&behind.replace("{u}", &user).replace("{c}", &connection));
        }
        self.table.query(&query, limit).await?.iter().map(Row::get_json).collect()
    }
}
