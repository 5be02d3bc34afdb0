use async_trait::async_trait;

use super::Faulty;
use crate::model::{Lease, UserId};
use crate::ports::{Leases, StoreError};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: Leases + ?Sized> Leases for Faulty<P> {
    async fn put(&self, lease: &Lease) -> Result<(), StoreError> {
        self.call("leases.put", self.inner.put(lease)).await
    }

    async fn remove(&self, user: &UserId, connection: &str) -> Result<bool, StoreError> {
        self.call("leases.remove", self.inner.remove(user, connection)).await
    }

    async fn of(&self, user: &UserId) -> Result<Vec<Lease>, StoreError> {
        self.call("leases.of", self.inner.of(user)).await
    }

    async fn online(&self, users: &[UserId]) -> Result<Vec<bool>, StoreError> {
        self.call("leases.online", self.inner.online(users)).await
    }

    async fn list(&self, after: Option<(&UserId, &str)>, limit: usize) -> Result<Vec<Lease>, StoreError> {
        self.call("leases.list", self.inner.list(after, limit)).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::Faults;
    use super::*;
    use crate::adapters::memory::MemoryLeases;

    crate::contract_suite!(leases, || Faulty::new(Arc::new(MemoryLeases::new()), Faults::default()));
}
