use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::model::{Lease, UserId};
use crate::ports::{Leases, StoreError};

type Rows = BTreeMap<UserId, BTreeMap<String, Lease>>;

/// The leases of this process. Right for an embedded hub, whose connections end with the process too.
#[derive(Debug, Default)]
pub struct MemoryLeases {
    rows: Mutex<Rows>,
}

impl MemoryLeases {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Leases for MemoryLeases {
    async fn put(&self, lease: &Lease) -> Result<(), StoreError> {
        self.rows().entry(lease.user.clone()).or_default().insert(lease.connection.clone(), lease.clone());
        Ok(())
    }

    async fn remove(&self, user: &UserId, connection: &str) -> Result<bool, StoreError> {
        let mut rows = self.rows();
        let Some(leases) = rows.get_mut(user) else { return Ok(false) };
        let was_there = leases.remove(connection).is_some();
        if leases.is_empty() {
            rows.remove(user);
        }
        Ok(was_there)
    }

    async fn of(&self, user: &UserId) -> Result<Vec<Lease>, StoreError> {
        Ok(self.rows().get(user).map(|leases| leases.values().cloned().collect()).unwrap_or_default())
    }

    async fn online(&self, users: &[UserId]) -> Result<Vec<bool>, StoreError> {
        let rows = self.rows();
        let is_online =
            |user| rows.get(user).is_some_and(|leases| leases.values().any(|lease| lease.confirmed));
        Ok(users.iter().map(is_online).collect())
    }

    async fn list(&self, after: Option<(&UserId, &str)>, limit: usize) -> Result<Vec<Lease>, StoreError> {
        let rows = self.rows();
        let start = after.map_or(Bound::Unbounded, |(user, _)| Bound::Included(user));
        let all = rows.range::<UserId, _>((start, Bound::Unbounded)).flat_map(|(_, leases)| leases.values());
        let behind =
            all.filter(|lease| after.is_none_or(|after| (&lease.user, lease.connection.as_str()) > after));
        Ok(behind.take(limit).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::contract_suite!(leases, MemoryLeases::new);
}
