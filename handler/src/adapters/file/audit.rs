use async_trait::async_trait;
use redb::ReadableTable;

use super::keys::Key;
use super::rows::{Table, decode, encode, get, make_tables};
use crate::adapters::engine::Engine;
use crate::model::Timestamp;
use crate::ports::{Audit, AuditKey, AuditOutcome, AuditPlace, AuditRecord, StoreError};

/// Time, key -> the record.
const RECORDS: Table = Table::new("audit.v1.records");
/// Key -> its record's time.
const KEYS: Table = Table::new("audit.v1.keys");

/// The records of a data directory.
#[derive(Clone)]
pub struct FileAudit {
    engine: Engine,
}

impl FileAudit {
    pub async fn open(engine: &Engine) -> Result<Self, StoreError> {
        make_tables(engine, &[RECORDS, KEYS]).await?;
        Ok(Self { engine: engine.clone() })
    }
}

#[async_trait]
impl Audit for FileAudit {
    async fn append(&self, record: &AuditRecord) -> Result<AuditPlace, StoreError> {
        let (place, row, time) = (record.place(), encode(record)?, encode(&record.at)?);
        let append = move |txn: &redb::WriteTransaction| {
            let mut keys = txn.open_table(KEYS)?;
            let key = key_of(&place.key);
            if let Some(at) = get(&keys, &key)? {
                return Ok(AuditPlace { at, key: place.key });
            }
            keys.insert(key.as_bytes(), time.as_slice())?;
            txn.open_table(RECORDS)?.insert(place_key(&place).as_bytes(), row.as_slice())?;
            Ok(place)
        };
        self.engine.write(append).await
    }

    async fn settle(&self, place: &AuditPlace, outcome: &AuditOutcome) -> Result<(), StoreError> {
        let (key, outcome) = (place_key(place), outcome.clone());
        let settle = move |txn: &redb::WriteTransaction| {
            let mut records = txn.open_table(RECORDS)?;
            let Some(record) = get::<AuditRecord>(&records, &key)? else { return Ok(()) };
            if record.outcome == AuditOutcome::Begun {
                let row = encode(&AuditRecord { outcome: outcome.clone(), ..record })?;
                records.insert(key.as_bytes(), row.as_slice())?;
            }
            Ok(())
        };
        self.engine.write(settle).await
    }

    async fn list(&self, before: Option<&AuditPlace>, limit: usize) -> Result<Vec<AuditRecord>, StoreError> {
        let before = before.map(place_key);
        let list = move |txn: &redb::ReadTransaction| {
            let records = txn.open_table(RECORDS)?;
            let newest_first = match &before {
                Some(before) => records.range::<&[u8]>(..before.as_bytes())?,
                None => records.range::<&[u8]>(..)?,
            };
            newest_first.rev().take(limit).map(|row| decode(row?.1.value())).collect()
        };
        self.engine.scan(list).await
    }

    async fn forget(&self, until: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let until = Key::default().then_number(until.millis());
        let forget = move |txn: &redb::WriteTransaction| {
            let (mut records, mut keys) = (txn.open_table(RECORDS)?, txn.open_table(KEYS)?);
            let mut over = Vec::new();
            for row in records.range::<&[u8]>(..until.as_bytes())?.take(limit) {
                over.push(row?.0.value().to_vec());
            }
            for place in &over {
                records.remove(place.as_slice())?;
                keys.remove(place.get(8..).unwrap_or_default())?;
            }
            Ok(over.len())
        };
        self.engine.write(forget).await
    }
}

fn key_of(key: &AuditKey) -> Key {
    Key::default().then_bytes(key.as_bytes())
}

fn place_key(place: &AuditPlace) -> Key {
    Key::default().then_number(place.at.millis()).then_bytes(place.key.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::tests::engine_in;
    use super::*;

    crate::contract_suite!(audit, |dir| FileAudit::open(&engine_in(dir).await).await.unwrap());
}
