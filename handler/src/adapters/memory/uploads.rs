use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::model::{AttachmentId, Timestamp, Upload, UserId};
use crate::ports::{Due, Mark, Reserved, StoreError, Uploads};

#[derive(Debug, Default)]
struct Rows {
    uploads: BTreeMap<AttachmentId, Upload>,
    waiting: BTreeSet<Due>,
}

/// What is known of files in this process.
#[derive(Debug, Default)]
pub struct MemoryUploads {
    rows: Mutex<Rows>,
}

impl MemoryUploads {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Uploads for MemoryUploads {
    async fn reserve(&self, upload: &Upload, quota: u64) -> Result<Reserved, StoreError> {
        let mut rows = self.rows();
        if let Some(there) = rows.uploads.get(&upload.id) {
            return Ok(Reserved::There(there.clone()));
        }
        let of_owner = rows.uploads.values().filter(|row| row.owner == upload.owner);
        let used: u64 = of_owner.map(|row| row.bytes).sum();
        if used.saturating_add(upload.bytes) > quota {
            return Ok(Reserved::OverQuota);
        }
        rows.uploads.insert(upload.id.clone(), upload.clone());
        rows.waiting.insert(Due { at: upload.at, id: upload.id.clone() });
        Ok(Reserved::New)
    }

    async fn get(&self, ids: &[AttachmentId]) -> Result<Vec<Upload>, StoreError> {
        let rows = self.rows();
        Ok(ids.iter().filter_map(|id| rows.uploads.get(id).cloned()).collect())
    }

    async fn mark(&self, id: &AttachmentId, mark: &Mark) -> Result<Option<Upload>, StoreError> {
        let mut rows = self.rows();
        let Some(row) = rows.uploads.get_mut(id) else { return Ok(None) };
        *row = mark.apply(row.clone());
        let marked = row.clone();
        if let Mark::DueAgain(at) = *mark {
            rows.waiting.insert(Due { at, id: id.clone() });
        }
        Ok(Some(marked))
    }

    async fn due(
        &self,
        after: Option<&Due>,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<Due>, StoreError> {
        let rows = self.rows();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let waiting = rows.waiting.range((from, Bound::Unbounded));
        Ok(waiting.take_while(|due| due.at < before).take(limit).cloned().collect())
    }

    async fn settle(&self, due: &Due) -> Result<(), StoreError> {
        self.rows().waiting.remove(due);
        Ok(())
    }

    async fn of_owner(
        &self,
        owner: &UserId,
        after: Option<&AttachmentId>,
        limit: usize,
    ) -> Result<Vec<Upload>, StoreError> {
        let rows = self.rows();
        let of_owner = rows.uploads.values().filter(|row| row.owner == *owner);
        let behind = of_owner.filter(|row| after.is_none_or(|after| row.id > *after));
        Ok(behind.take(limit).cloned().collect())
    }

    async fn remove(&self, id: &AttachmentId) -> Result<(), StoreError> {
        self.rows().uploads.remove(id);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::contract_suite!(uploads, MemoryUploads::new);
}
