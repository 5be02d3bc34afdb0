use async_trait::async_trait;

use super::StoreError;
use crate::model::{Lease, UserId};

/// The live connections, as far as they were told of. They live as long as the transport's connections do: an embedded
/// hub's in memory, a service's in a store.
///
/// # Contract
/// An `Ok` is visible to every later call. Each call is atomic and may be repeated.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Stores the lease, in place of the same connection's.
    async fn put(&self, lease: &Lease) -> Result<(), StoreError>;

    /// Removes it; answers whether it was there.
    async fn remove(&self, user: &UserId, connection: &str) -> Result<bool, StoreError>;

    /// The user's leases, by connection.
    async fn of(&self, user: &UserId) -> Result<Vec<Lease>, StoreError>;

    /// For each user, in the order asked, whether there is a confirmed lease.
    async fn online(&self, users: &[UserId]) -> Result<Vec<bool>, StoreError>;

    /// All leases by (user, connection), those behind `after`, at most `limit`.
    async fn list(&self, after: Option<(&UserId, &str)>, limit: usize) -> Result<Vec<Lease>, StoreError>;
}
