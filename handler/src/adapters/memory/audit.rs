use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::model::Timestamp;
use crate::ports::{Audit, AuditKey, AuditOutcome, AuditPlace, AuditRecord, StoreError};

/// The records of this process.
#[derive(Debug, Default)]
pub struct MemoryAudit {
    records: Mutex<Records>,
}

#[derive(Debug, Default)]
struct Records {
    by_place: BTreeMap<AuditPlace, AuditRecord>,
    times: HashMap<AuditKey, Timestamp>,
}

impl MemoryAudit {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Audit for MemoryAudit {
    async fn append(&self, record: &AuditRecord) -> Result<AuditPlace, StoreError> {
        let mut records = self.lock();
        let at = *records.times.entry(record.key).or_insert(record.at);
        let place = AuditPlace { at, key: record.key };
        records.by_place.entry(place).or_insert_with(|| record.clone());
        Ok(place)
    }

    async fn settle(&self, place: &AuditPlace, outcome: &AuditOutcome) -> Result<(), StoreError> {
        if let Some(record) = self.lock().by_place.get_mut(place)
            && record.outcome == AuditOutcome::Begun
        {
            record.outcome = outcome.clone();
        }
        Ok(())
    }

    async fn list(&self, before: Option<&AuditPlace>, limit: usize) -> Result<Vec<AuditRecord>, StoreError> {
        let records = self.lock();
        let newest_first = match before {
            Some(before) => records.by_place.range(..before),
            None => records.by_place.range(..),
        };
        Ok(newest_first.rev().take(limit).map(|(_, record)| record.clone()).collect())
    }

    async fn forget(&self, until: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let mut records = self.lock();
        let over = records.by_place.keys().take_while(|place| place.at < until);
        let over: Vec<_> = over.take(limit).copied().collect();
        for place in &over {
            records.by_place.remove(place);
            records.times.remove(&place.key);
        }
        Ok(over.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::contract_suite!(audit, MemoryAudit::new);
}
