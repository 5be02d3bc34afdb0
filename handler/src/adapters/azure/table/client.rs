//! The client under all table adapters: every answer is checked, and a table that is not there yet is made.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use azure_core21::{RetryOptions, TransportOptions};
use azure_data_tables::clients::{TableClient, TableServiceClient, TableServiceClientBuilder};
use azure_data_tables::operations::QueryEntityResponse;
use azure_data_tables::{Filter, IfMatchCondition, Select, Top};
use azure_storage::StorageCredentials;
use futures_util::StreamExt;
use serde_json::{Map, Value};

use super::account::StorageAccount;
use super::row::Row;
use super::wire::{Proof, Refused, Wire};
use super::{STORE, keys};
use crate::adapters::azure::{Http, Identity};
use crate::ports::StoreError;

/// Entities of one transaction, at most.
pub(super) const TRANSACTION_ROWS: usize = 100;
/// Bytes of one transaction; the service takes 4 MiB.
pub(super) const TRANSACTION_BYTES: usize = 3_584 * 1024;
/// Rows of one answer, at most, by the service's own limit.
const PAGE: usize = 1_000;
/// The longest name of ours behind the prefix; a table's name has at most 63 characters.
pub const TABLE_PREFIX_CHARS: usize = 50;

/// The tables of one account whose names begin with one prefix.
#[derive(Clone, Debug)]
pub struct Tables {
    service: TableServiceClient,
    prefix: String,
    requests: Arc<AtomicU64>,
}

/// One table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    client: TableClient,
}

/// A write of one row.
#[derive(Debug)]
pub(super) enum Write {
    /// Refused with [`Refusal::Exists`] where the row is there.
    Insert(Row),
    /// Refused with [`Refusal::Changed`] where the row has another etag by now, with [`Refusal::Missing`] where it is gone.
    Replace(Row, Match),
    /// Whatever is there.
    Put(Row),
    Delete(String, Match),
}

/// Which row a change is for.
#[derive(Clone, Debug)]
pub(super) enum Match {
    Any,
    Etag(String),
}

/// Why the state of the rows forbids a write. Nothing was written then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Exists,
    Changed,
    Missing,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    #[error("the rows are not as the write supposes: {0:?}")]
    Refused(Refusal),
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unexpected(&'static str);

impl Tables {
    /// Opens no connection yet. An account without a key needs the identity.
    pub fn new(
        account: &StorageAccount,
        identity: Option<Identity>,
        prefix: &str,
        http: &Http,
    ) -> Result<Self, StoreError> {
        let (credentials, proof) = match (&account.key, identity) {
            (Some(key), _) => (StorageCredentials::access_key(account.name.clone(), key.clone()), Proof::Key),
            (None, Some(identity)) => {
                (StorageCredentials::token_credential(Arc::new(identity)), Proof::Identity)
            }
            (None, None) => return Err(unavailable(Unexpected("the account has neither key nor identity"))),
        };
        let requests = Arc::<AtomicU64>::default();
        let wire = Wire::new(account.endpoint.as_str(), http, proof, Arc::clone(&requests));
        let service = TableServiceClientBuilder::with_location(account.location(), credentials)
            .retry(RetryOptions::none())
            .transport(TransportOptions::new(Arc::new(wire)))
            .build();
        Ok(Self { service, prefix: prefix.to_owned(), requests })
    }

    /// Requests sent to the service so far, a transaction being one.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    pub(super) fn table(&self, name: &str) -> Table {
        Table { client: self.service.table_client(format!("{}{name}", self.prefix)) }
    }
}

impl Table {
    pub(super) async fn get(&self, partition: &str, key: &str) -> Result<Option<Row>, StoreError> {
        let key = keys::checked(key.to_owned())?;
        let asked =
            self.client.partition_key_client(partition).entity_client(key).get::<Map<String, Value>>();
        match asked.await {
            Ok(answer) => {
                let mut columns = answer.entity;
                columns.insert("odata.etag".to_owned(), answer.etag.to_string().into());
                Ok(Some(Row::read(columns)))
            }
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Rows by ascending keys, at most `limit`.
    pub(super) async fn query(&self, query: &Query, limit: usize) -> Result<Vec<Row>, StoreError> {
        let mut rows = Vec::new();
        if limit == 0 {
            return Ok(rows);
        }
        let mut asked = self.client.query().filter(Filter::new(query.filter.clone()));
        asked = asked.top(Top::new(u32::try_from(limit.min(PAGE)).unwrap_or(1)));
        if let Some(columns) = query.columns {
            asked = asked.select(Select::new(columns.to_owned()));
        }
        // A page may be empty and not the last one.
        let mut pages = asked.into_stream::<Map<String, Value>>();
        while let Some(page) = pages.next().await {
            let QueryEntityResponse { entities, .. } = match page {
                Ok(page) => page,
                Err(error) if is_missing(&error) => return Ok(rows),
                Err(error) => return Err(unavailable(error)),
            };
            rows.extend(entities.into_iter().take(limit - rows.len()).map(Row::read));
            if rows.len() >= limit {
                break;
            }
        }
        Ok(rows)
    }

    /// Writes all or none, in one transaction where there are several. Makes the table where there is none. Answers the
    /// new etags, in order; none for a row that is gone.
    pub(super) async fn write(
        &self,
        partition: &str,
        writes: Vec<Write>,
    ) -> Result<Vec<Option<String>>, WriteError> {
        let first = self.try_write(partition, &writes).await;
        // The emulator answers an upsert with the code for a row.
        let needs_no_row = || writes.iter().all(|write| matches!(write, Write::Insert(_) | Write::Put(_)));
        let may_lack_table =
            |error| code(error) == Some("TableNotFound") || is_missing(error) && needs_no_row();
        if !first.as_ref().is_err_and(may_lack_table) {
            return first.map_err(judged);
        }
        self.create().await?;
        self.try_write(partition, &writes).await.map_err(judged)
    }

    /// The same for one row.
    pub(super) async fn write_one(
        &self,
        partition: &str,
        write: Write,
    ) -> Result<Option<String>, WriteError> {
        Ok(self.write(partition, vec![write]).await?.pop().flatten())
    }

    async fn try_write(
        &self,
        partition: &str,
        writes: &[Write],
    ) -> azure_core21::Result<Vec<Option<String>>> {
        // The emulator does not check it, the service refuses the whole transaction.
        debug_assert!(writes.iter().all(|write| write.is_in(partition)), "rows of one partition");
        debug_assert!(writes.len() <= TRANSACTION_ROWS);
        match writes {
            [] => Ok(Vec::new()),
            [write] => Ok(vec![self.write_alone(partition, write).await?]),
            writes => self.write_together(partition, writes).await,
        }
    }

    async fn write_alone(&self, partition: &str, write: &Write) -> azure_core21::Result<Option<String>> {
        let row = self.client.partition_key_client(partition).entity_client(write.key());
        let etag = match write {
            Write::Insert(row) => self.client.insert::<_, Value>(row.columns())?.await?.etag,
            Write::Replace(new, condition) => row.update(new.columns(), condition.into())?.await?.etag,
            Write::Put(new) => row.insert_or_replace(new.columns())?.await?.etag,
            Write::Delete(_, condition) => {
                row.delete().if_match(condition).await?;
                return Ok(None);
            }
        };
        Ok(Some(etag.to_string()))
    }

    async fn write_together(
        &self,
        partition: &str,
        writes: &[Write],
    ) -> azure_core21::Result<Vec<Option<String>>> {
        let mut transaction = self.client.partition_key_client(partition).transaction();
        for write in writes {
            transaction = match write {
                Write::Insert(row) => transaction.insert(row.columns())?,
                Write::Replace(row, condition) => {
                    transaction.update(write.key(), row.columns(), Some(condition.into()))?
                }
                Write::Put(row) => transaction.insert_or_replace(write.key(), row.columns())?,
                Write::Delete(key, condition) => transaction.delete(key, Some(condition.into()))?,
            };
        }
        let answers = transaction.await?.operation_responses;
        // The wire makes an error of every refusal; what is left is an answer that is not whole.
        if answers.len() != writes.len() || answers.iter().any(|answer| !answer.status_code.is_success()) {
            let error = Unexpected("a transaction was answered in part");
            return Err(azure_core21::Error::new(azure_core21::error::ErrorKind::Other, error));
        }
        Ok(answers.into_iter().map(|answer| answer.etag.map(|etag| etag.to_string())).collect())
    }

    /// Removes what the query finds, all in one partition. A row that somebody else removed meanwhile is no mistake.
    pub(super) async fn delete_all(&self, partition: &str, query: &Query) -> Result<(), StoreError> {
        loop {
            let rows = self.query(query, PAGE).await?;
            if rows.is_empty() {
                return Ok(());
            }
            let mut deletes = Vec::with_capacity(rows.len());
            for row in &rows {
                deletes.push(Write::Delete(row.key()?.to_owned(), Match::Any));
            }
            for some in packed(deletes) {
                match self.write(partition, some).await {
                    Ok(_) => {}
                    Err(WriteError::Refused(_)) => break,
                    Err(WriteError::Store(error)) => return Err(error),
                }
            }
        }
    }

    /// Two may make it at once.
    async fn create(&self) -> Result<(), StoreError> {
        match self.client.create().await {
            Ok(_) => tracing::info!(table = self.client.table_name(), "made the table"),
            Err(error) if code(&error) == Some("TableAlreadyExists") => {}
            Err(error) => return Err(unavailable(error)),
        }
        Ok(())
    }
}

/// In parts that each fit a transaction.
pub(super) fn packed(writes: Vec<Write>) -> Vec<Vec<Write>> {
    let (mut parts, mut part, mut bytes) = (Vec::new(), Vec::new(), 0);
    for write in writes {
        if part.len() == TRANSACTION_ROWS || bytes + write.bytes() > TRANSACTION_BYTES && !part.is_empty() {
            parts.push(std::mem::take(&mut part));
            bytes = 0;
        }
        bytes += write.bytes();
        part.push(write);
    }
    parts.push(part);
    parts
}

/// Which rows; texts in it are keys of ours, so none needs quoting.
#[derive(Clone, Debug)]
pub(super) struct Query {
    filter: String,
    columns: Option<&'static str>,
}

impl Query {
    pub(super) fn all() -> Self {
        Self { filter: "PartitionKey ge ''".to_owned(), columns: None }
    }

    /// Every partition behind this one.
    pub(super) fn behind_partition(partition: &str) -> Self {
        Self { filter: format!("PartitionKey gt '{partition}'"), columns: None }
    }

    pub(super) fn partition(partition: &str) -> Self {
        Self { filter: format!("PartitionKey eq '{partition}'"), columns: None }
    }

    /// All partitions from this one on.
    pub(super) fn partitions_from(partition: &str) -> Self {
        Self { filter: format!("PartitionKey ge '{partition}'"), columns: None }
    }

    /// Everything behind this row, in whatever partition.
    pub(super) fn behind(partition: &str, key: &str) -> Self {
        let same = format!("PartitionKey eq '{partition}' and RowKey gt '{key}'");
        Self { filter: format!("(PartitionKey gt '{partition}' or ({same}))"), columns: None }
    }

    pub(super) fn and(mut self, condition: &str) -> Self {
        self.filter = format!("{} and {condition}", self.filter);
        self
    }

    pub(super) fn from(self, key: &str) -> Self {
        self.and(&format!("RowKey ge '{key}'"))
    }

    pub(super) fn after(self, key: &str) -> Self {
        self.and(&format!("RowKey gt '{key}'"))
    }

    pub(super) fn up_to(self, key: &str) -> Self {
        self.and(&format!("RowKey le '{key}'"))
    }

    pub(super) fn before(self, key: &str) -> Self {
        self.and(&format!("RowKey lt '{key}'"))
    }

    /// Keys that begin so. What follows must be below `~`.
    pub(super) fn beginning(self, key: &str) -> Self {
        self.from(key).before(&format!("{key}~"))
    }

    pub(super) fn columns(mut self, columns: &'static str) -> Self {
        self.columns = Some(columns);
        self
    }
}

impl Write {
    fn key(&self) -> &str {
        match self {
            Self::Insert(row) | Self::Replace(row, _) | Self::Put(row) => {
                row.find_text("RowKey").unwrap_or_default()
            }
            Self::Delete(key, _) => key,
        }
    }

    fn is_in(&self, partition: &str) -> bool {
        match self {
            Self::Insert(row) | Self::Replace(row, _) | Self::Put(row) => {
                row.find_text("PartitionKey") == Some(partition)
            }
            Self::Delete(..) => true,
        }
    }

    /// About what it takes on the wire.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Insert(row) | Self::Replace(row, _) | Self::Put(row) => row.bytes(),
            Self::Delete(key, _) => 600 + key.len(),
        }
    }
}

impl From<&Match> for IfMatchCondition {
    fn from(condition: &Match) -> Self {
        match condition {
            Match::Any => Self::Any,
            Match::Etag(etag) => Self::Etag(etag.clone().into()),
        }
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.filter)
    }
}

/// The service's own answer within the error, where there was one.
fn refused<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Refused> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(refused) = error.downcast_ref::<Refused>() {
            return Some(refused);
        }
        next = error.source();
    }
    None
}

fn code(error: &azure_core21::Error) -> Option<&str> {
    refused(error).map(|refused| refused.code.as_str())
}

/// No such row, or no such table yet.
fn is_missing(error: &azure_core21::Error) -> bool {
    refused(error).is_some_and(|refused| refused.status == 404)
}

fn judged(error: azure_core21::Error) -> WriteError {
    match refused(&error).map(|refused| (refused.status, refused.code.as_str())) {
        Some((409, "EntityAlreadyExists")) => WriteError::Refused(Refusal::Exists),
        Some((412, _) | (409, "UpdateConditionNotSatisfied")) => WriteError::Refused(Refusal::Changed),
        Some((404, "ResourceNotFound" | "EntityNotFound" | "")) => WriteError::Refused(Refusal::Missing),
        _ => WriteError::Store(unavailable(error)),
    }
}

pub(super) fn unavailable(error: impl Error + Send + Sync + 'static) -> StoreError {
    let asked = refused(&error).and_then(|refused| refused.retry_after);
    StoreError::unavailable(STORE, error).asking_for(asked)
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
