use async_trait::async_trait;

use super::StoreError;
use crate::model::{Erasure, UserId};

/// People who are being erased, and those who were: the work under way survives the process that began it.
///
/// # Contract
/// An `Ok` is durable and visible to every later call. Each call is atomic and may be repeated.
#[async_trait]
pub trait Erasures: Send + Sync {
    /// Stores the row, in place of one of the same user.
    async fn put(&self, erasure: &Erasure) -> Result<(), StoreError>;

    async fn get(&self, user: &UserId) -> Result<Option<Erasure>, StoreError>;

    /// Those that are not done, in an order that stays, at most `limit`.
    async fn under_way(&self, limit: usize) -> Result<Vec<Erasure>, StoreError>;
}
