use async_trait::async_trait;
use futures_util::{StreamExt, stream};

use super::client::{Match, Query, Table, Tables, Write, WriteError};
use super::pause;
use super::row::{Row, corrupt};
use crate::model::{AttachmentId, Timestamp, Upload, UserId};
use crate::ports::{Due, Mark, Reserved, StoreError, Uploads};

/// Rows read at once.
const AT_ONCE: usize = 16;
/// The row with the sum of a user's bytes.
const USED: &str = "used";
const BYTES: &str = "bytes";
/// Whoever waits stands in one partition, by time. That is written before the row it is about: what has no row is no harm.
const WAITING: &str = "v1-waiting";

/// What is known of the files of a storage account: one partition per user, whose sum is written in the same transaction.
#[derive(Clone, Debug)]
pub struct TableUploads {
    table: Table,
}

fn partition(id: &AttachmentId) -> String {
    format!("v1-{}", id.shelf())
}

fn key(id: &AttachmentId) -> String {
    format!("u-{id}")
}

/// Time in a fixed width, then the id.
fn place(at: Timestamp, id: &AttachmentId) -> String {
    format!("{:015}-{id}", at.millis())
}

/// The sum as it was read, and how it is written again.
struct Used {
    bytes: u64,
    etag: Option<String>,
}

impl Used {
    fn write(self, partition: &str, more: u64, less: u64) -> Result<Write, StoreError> {
        let bytes = self.bytes.saturating_add(more).saturating_sub(less);
        let row = Row::new(partition, USED)?.number(BYTES, bytes);
        Ok(match self.etag {
            Some(etag) => Write::Replace(row, Match::Etag(etag)),
            None => Write::Insert(row),
        })
    }
}

impl TableUploads {
    #[must_use]
    pub fn new(tables: &Tables) -> Self {
        Self { table: tables.table("uploads") }
    }

    async fn find(&self, id: &AttachmentId) -> Result<Option<(Upload, String)>, StoreError> {
        let Some(row) = self.table.get(&partition(id), &key(id)).await? else { return Ok(None) };
        Ok(Some((row.get_json()?, row.etag()?.to_owned())))
    }

    async fn used(&self, partition: &str) -> Result<Used, StoreError> {
        let Some(row) = self.table.get(partition, USED).await? else {
            return Ok(Used { bytes: 0, etag: None });
        };
        Ok(Used { bytes: row.get_number(BYTES)?, etag: Some(row.etag()?.to_owned()) })
    }

    async fn wait(&self, at: Timestamp, id: &AttachmentId) -> Result<(), StoreError> {
        let row = Row::new(WAITING, &place(at, id))?.text("id", id.as_str());
        match self.table.write_one(WAITING, Write::Put(row)).await {
            Ok(_) | Err(WriteError::Refused(_)) => Ok(()),
            Err(WriteError::Store(error)) => Err(error),
        }
    }
}

#[async_trait]
impl Uploads for TableUploads {
    async fn reserve(&self, upload: &Upload, quota: u64) -> Result<Reserved, StoreError> {
        let partition = partition(&upload.id);
        let (mut retry, mut is_waiting) = (pause::Retry::default(), false);
        loop {
            if let Some((there, _)) = self.find(&upload.id).await? {
                return Ok(Reserved::There(there));
            }
            let used = self.used(&partition).await?;
            if used.bytes.saturating_add(upload.bytes) > quota {
                return Ok(Reserved::OverQuota);
            }
            if !is_waiting {
                self.wait(upload.at, &upload.id).await?;
                is_waiting = true;
            }
            let row = Row::new(&partition, &key(&upload.id))?.json(upload)?;
            let writes = vec![Write::Insert(row), used.write(&partition, upload.bytes, 0)?];
            match self.table.write(&partition, writes).await {
                Ok(_) => return Ok(Reserved::New),
                Err(WriteError::Refused(_)) => retry.wait().await?,
                Err(WriteError::Store(error)) => return Err(error),
            }
        }
    }

    async fn get(&self, ids: &[AttachmentId]) -> Result<Vec<Upload>, StoreError> {
        let asked = stream::iter(ids.to_vec()).map(async |id| self.find(&id).await).buffered(AT_ONCE);
        let found = asked.collect::<Vec<_>>().await.into_iter().filter_map(Result::transpose);
        found.map(|found| found.map(|(upload, _)| upload)).collect()
    }

    async fn mark(&self, id: &AttachmentId, mark: &Mark) -> Result<Option<Upload>, StoreError> {
        let partition = partition(id);
        let mut retry = pause::Retry::default();
        loop {
            let Some((before, etag)) = self.find(id).await? else { return Ok(None) };
            if let Mark::DueAgain(at) = *mark {
                self.wait(at, id).await?;
            }
            let after = mark.apply(before.clone());
            if after == before {
                return Ok(Some(after));
            }
            let row = Row::new(&partition, &key(id))?.json(&after)?;
            let mut writes = vec![Write::Replace(row, Match::Etag(etag))];
            if after.bytes != before.bytes {
                writes.push(self.used(&partition).await?.write(&partition, after.bytes, before.bytes)?);
            }
            match self.table.write(&partition, writes).await {
                Ok(_) => return Ok(Some(after)),
                Err(WriteError::Refused(_)) => retry.wait().await?,
                Err(WriteError::Store(error)) => return Err(error),
            }
        }
    }

    async fn due(
        &self,
        after: Option<&Due>,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<Due>, StoreError> {
        let mut query = Query::partition(WAITING).before(&format!("{:015}", before.millis()));
        if let Some(after) = after {
            query = query.after(&place(after.at, &after.id));
        }
        let rows = self.table.query(&query, limit).await?;
        let read = |row: &Row| {
            let (time, id) = row.key()?.split_once('-').ok_or_else(|| corrupt("a key without a time"))?;
            let at = Timestamp::from_millis(time.parse().map_err(corrupt)?);
            Ok(Due { at, id: AttachmentId::parse(id).ok_or_else(|| corrupt("a key without an id"))? })
        };
        rows.iter().map(read).collect()
    }

    async fn settle(&self, due: &Due) -> Result<(), StoreError> {
        let delete = Write::Delete(place(due.at, &due.id), Match::Any);
        match self.table.write_one(WAITING, delete).await {
            Ok(_) | Err(WriteError::Refused(_)) => Ok(()),
            Err(WriteError::Store(error)) => Err(error),
        }
    }

    async fn of_owner(
        &self,
        owner: &UserId,
        after: Option<&AttachmentId>,
        limit: usize,
    ) -> Result<Vec<Upload>, StoreError> {
        let mut query = Query::partition(&format!("v1-{}", AttachmentId::shelf_of(owner))).beginning("u-");
        if let Some(after) = after {
            query = query.after(&key(after));
        }
        self.table.query(&query, limit).await?.iter().map(Row::get_json).collect()
    }

    async fn remove(&self, id: &AttachmentId) -> Result<(), StoreError> {
        let partition = partition(id);
        let mut retry = pause::Retry::default();
        loop {
            let Some((row, etag)) = self.find(id).await? else { return Ok(()) };
            let used = self.used(&partition).await?.write(&partition, 0, row.bytes)?;
            let writes = vec![Write::Delete(key(id), Match::Etag(etag)), used];
            match self.table.write(&partition, writes).await {
                Ok(_) => return Ok(()),
                Err(WriteError::Refused(_)) => retry.wait().await?,
                Err(WriteError::Store(error)) => return Err(error),
            }
        }
    }
}
