use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::client::{Match, Query, Table, Tables, Write, WriteError};
use super::row::{Row, corrupt};
use super::{keys, pause};
use crate::model::Timestamp;
use crate::model::bounds::DAY_MILLIS;
use crate::ports::{Audit, AuditKey, AuditOutcome, AuditPlace, AuditRecord, StoreError};

/// Behind every day there is: days and times are counted down from here, so that keys ascend from the newest on.
const LAST_DAY: u64 = 9_999_999;
const LAST_MILLI: u64 = LAST_DAY * DAY_MILLIS;
/// Behind every partition of records.
const END_OF_RECORDS: &str = "r~";
/// Keys removed at once.
const REMOVED_AT_ONCE: usize = 16;

/// The records of a storage account. One partition per day, the newest first: `r` and the days that are left; in it `m`, the
/// milliseconds that are left, and the key. Beside them, one row per key says where its record stands, spread over 256
/// partitions (`k` and two digits); it is written first, and a repeat finishes what a crash left.
#[derive(Clone, Debug)]
pub struct TableAudit {
    table: Table,
}

fn partition(at: Timestamp) -> String {
    format!("r{:07}", LAST_DAY - at.millis() / DAY_MILLIS)
}

fn key(place: &AuditPlace) -> String {
    format!("{}.{}", keys::number('m', LAST_MILLI - place.at.millis()), place.key.inverted())
}

fn key_partition(key: &AuditKey) -> String {
    format!("k{}", &hex::encode(&key.as_bytes()[..1]))
}

impl TableAudit {
    #[must_use]
    pub fn new(tables: &Tables) -> Self {
        Self { table: tables.table("audit") }
    }

    /// Claims the key. The record of whoever claimed it before, if somebody did.
    async fn claim(&self, record: &AuditRecord) -> Result<Option<AuditRecord>, StoreError> {
        let (partition, key) = (key_partition(&record.key), record.key.to_string());
        let row = Row::new(&partition, &key)?.json(record)?;
        let mut retry = pause::Retry::default();
        loop {
            match self.table.write_one(&partition, Write::Insert(row.clone())).await {
                Ok(_) => return Ok(None),
                Err(WriteError::Refused(_)) => {}
                Err(WriteError::Store(error)) => return Err(error),
            }
            if let Some(row) = self.table.get(&partition, &key).await? {
                return Ok(Some(row.get_json()?));
            }
            // It went between the two looks, its time being over.
            retry.wait().await?;
        }
    }

    async fn remove_keys(&self, keys: Vec<AuditKey>) -> Result<(), StoreError> {
        let removals = keys.into_iter().map(|key| async move {
            let delete = Write::Delete(key.to_string(), Match::Any);
            match self.table.write_one(&key_partition(&key), delete).await {
                Ok(_) | Err(WriteError::Refused(_)) => Ok(()),
                Err(WriteError::Store(error)) => Err(error),
            }
        });
        stream::iter(removals).buffer_unordered(REMOVED_AT_ONCE).try_collect().await
    }
}

#[async_trait]
impl Audit for TableAudit {
    async fn append(&self, record: &AuditRecord) -> Result<AuditPlace, StoreError> {
        let first = self.claim(record).await?;
        let record = first.as_ref().unwrap_or(record);
        let (partition, place) = (partition(record.at), record.place());
        let row = Row::new(&partition, &key(&place))?.json(record)?;
        match self.table.write_one(&partition, Write::Insert(row)).await {
            Ok(_) | Err(WriteError::Refused(_)) => Ok(place),
            Err(WriteError::Store(error)) => Err(error),
        }
    }

    async fn settle(&self, place: &AuditPlace, outcome: &AuditOutcome) -> Result<(), StoreError> {
        let (partition, key) = (partition(place.at), key(place));
        let mut retry = pause::Retry::default();
        loop {
            let Some(row) = self.table.get(&partition, &key).await? else { return Ok(()) };
            let record: AuditRecord = row.get_json()?;
            if record.outcome != AuditOutcome::Begun {
                return Ok(());
            }
            let settled = AuditRecord { outcome: outcome.clone(), ..record };
            let new = Row::new(&partition, &key)?.json(&settled)?;
            match self
                .table
                .write_one(&partition, Write::Replace(new, Match::Etag(row.etag()?.to_owned())))
                .await
            {
                Ok(_) => return Ok(()),
                Err(WriteError::Refused(_)) => retry.wait().await?,
                Err(WriteError::Store(error)) => return Err(error),
            }
        }
    }

    async fn list(&self, before: Option<&AuditPlace>, limit: usize) -> Result<Vec<AuditRecord>, StoreError> {
        let query = match before {
            Some(place) => Query::behind(&partition(place.at), &key(place)),
            None => Query::partitions_from("r"),
        };
        let query = query.and(&format!("PartitionKey lt '{END_OF_RECORDS}'"));
        self.table.query(&query, limit).await?.iter().map(Row::get_json).collect()
    }

    async fn forget(&self, until: Timestamp, limit: usize) -> Result<usize, StoreError> {
        // Of this moment itself no record goes: its keys stand before the first that does.
        let first = keys::number('m', LAST_MILLI + 1 - until.millis());
        let query = Query::behind(&partition(until), &first);
        let query = query.and(&format!("PartitionKey lt '{END_OF_RECORDS}'")).columns("PartitionKey,RowKey");
        let rows = self.table.query(&query, limit).await?;
        let mut keys = Vec::with_capacity(rows.len());
        for row in &rows {
            let digits = row.key()?.rsplit('.').next().unwrap_or_default();
            let inverted = AuditKey::parse(digits).ok_or_else(|| corrupt("a record whose key is none"))?;
            keys.push(inverted.inverted());
        }
        // The key first: while the record is there, the next round finds both.
        self.remove_keys(keys).await?;
        for of_a_day in
            rows.chunk_by(|one, other| one.find_text("PartitionKey") == other.find_text("PartitionKey"))
        {
            let Some(partition) = of_a_day.first().and_then(|row| row.find_text("PartitionKey")) else {
                continue;
            };
            for some in of_a_day.chunks(super::client::TRANSACTION_ROWS) {
                let deletes = some.iter().map(|row| Ok(Write::Delete(row.key()?.to_owned(), Match::Any)));
                let deletes = deletes.collect::<Result<Vec<_>, StoreError>>()?;
                match self.table.write(partition, deletes).await {
                    // Another process removes them too: what is left is the next round's.
                    Ok(_) | Err(WriteError::Refused(_)) => {}
                    Err(WriteError::Store(error)) => return Err(error),
                }
            }
        }
        Ok(rows.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_ascend_from_the_newest_on() {
        let place =
            |millis, text| AuditPlace { at: Timestamp::from_millis(millis), key: AuditKey::of([text]) };
        let mut places: Vec<_> = [0, 1, DAY_MILLIS - 1, DAY_MILLIS, 1_800_000_000_000, u64::MAX]
            .into_iter()
            .flat_map(|millis| ["a", "b", "c"].map(|text| place(millis, text)))
            .collect();
        places.sort_unstable_by(|one, other| other.cmp(one));
        let keys: Vec<_> = places.iter().map(|place| (partition(place.at), key(place))).collect();
        assert!(keys.is_sorted(), "{keys:?}");
        assert!(
            keys.iter().all(|(partition, _)| partition.as_str() < END_OF_RECORDS && partition.len() == 8)
        );
    }
}
