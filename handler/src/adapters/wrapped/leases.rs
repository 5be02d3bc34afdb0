use async_trait::async_trait;

use super::{Around, Call, Wrapped};
use crate::model::{Lease, UserId};
use crate::ports::{Leases, StoreError};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: Leases + ?Sized, W: Around> Leases for Wrapped<P, W> {
    async fn put(&self, lease: &Lease) -> Result<(), StoreError> {
        self.call(Call::again("leases.put"), || self.inner.put(lease)).await
    }

    async fn remove(&self, user: &UserId, connection: &str) -> Result<bool, StoreError> {
        self.call(Call::once("leases.remove"), || self.inner.remove(user, connection)).await
    }

    async fn of(&self, user: &UserId) -> Result<Vec<Lease>, StoreError> {
        self.call(Call::again("leases.of"), || self.inner.of(user)).await
    }

    async fn online(&self, users: &[UserId]) -> Result<Vec<bool>, StoreError> {
        self.call(Call::again("leases.online"), || self.inner.online(users)).await
    }

    async fn list(&self, after: Option<(&UserId, &str)>, limit: usize) -> Result<Vec<Lease>, StoreError> {
        self.call(Call::again("leases.list"), || self.inner.list(after, limit)).await
    }
}
