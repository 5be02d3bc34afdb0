use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use crate::model::{Erasure, UserId};
use crate::ports::{Erasures, StoreError};

/// The erasures of this process.
#[derive(Debug, Default)]
pub struct MemoryErasures {
    rows: Mutex<BTreeMap<UserId, Erasure>>,
}

impl MemoryErasures {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Erasures for MemoryErasures {
    async fn put(&self, erasure: &Erasure) -> Result<(), StoreError> {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.insert(erasure.user.clone(), erasure.clone());
        Ok(())
    }

    async fn get(&self, user: &UserId) -> Result<Option<Erasure>, StoreError> {
        Ok(self.rows.lock().unwrap_or_else(PoisonError::into_inner).get(user).cloned())
    }

    async fn under_way(&self, limit: usize) -> Result<Vec<Erasure>, StoreError> {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(rows.values().filter(|row| row.done_at.is_none()).take(limit).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::contract_suite!(erasures, MemoryErasures::new);
}
