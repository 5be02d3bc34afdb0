use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::model::{HandledEvent, Timestamp};
use crate::ports::{Handled, StoreError};

type Rows = BTreeMap<(String, String), HandledEvent>;

#[derive(Debug, Default)]
pub struct MemoryHandled {
    rows: Mutex<Rows>,
}

impl MemoryHandled {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Handled for MemoryHandled {
    async fn note(&self, event: &HandledEvent) -> Result<(), StoreError> {
        let key = (event.connection.clone(), event.id.clone());
        self.rows().entry(key).or_insert_with(|| event.clone());
        Ok(())
    }

    async fn find(&self, connection: &str, id: &str) -> Result<Option<HandledEvent>, StoreError> {
        Ok(self.rows().get(&(connection.to_owned(), id.to_owned())).cloned())
    }

    async fn forget(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let mut rows = self.rows();
        let old = rows.iter().filter(|(_, event)| event.at < before).map(|(key, _)| key.clone());
        let old: Vec<_> = old.take(limit).collect();
        for key in &old {
            rows.remove(key);
        }
        Ok(old.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::contract_suite!(handled, MemoryHandled::new);
}
