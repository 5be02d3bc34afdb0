use async_trait::async_trait;

use super::StoreError;
use crate::model::{Desk, Review, Timestamp};

/// What people have to look at, and what they decided.
///
/// # Contract
/// An `Ok` is durable and visible to every later call. Each call is atomic: a review and its place among the open ones change
/// together.
#[async_trait]
pub trait Reviews: Send + Sync {
    /// Stores the review, unless one of its desk and id is there. Answers the one that is there then, so the call may be repeated.
    async fn open(&self, review: &Review) -> Result<Review, StoreError>;

    async fn get(&self, desk: &Desk, id: &str) -> Result<Option<Review>, StoreError>;

    /// Replaces the row if it stands at `review.revision` still, and stores it with the next one. `false` when it does not, or is
    /// not there. A time of opening never changes.
    async fn update(&self, review: &Review) -> Result<bool, StoreError>;

    /// Those of the desk that are open, oldest first, those behind `after` (time and id of one, which need not be there any more),
    /// at most `limit`.
    async fn list(
        &self,
        desk: &Desk,
        after: Option<(Timestamp, &str)>,
        limit: usize,
    ) -> Result<Vec<Review>, StoreError>;

    /// All of the desk, open or not, in an order of ids that stays the same, those behind `after` (an id, which need not be there any
    /// more), at most `limit`.
    async fn all(&self, desk: &Desk, after: Option<&str>, limit: usize) -> Result<Vec<Review>, StoreError>;

    /// Removes a review, open or not. `false` when it is not there.
    async fn remove(&self, desk: &Desk, id: &str) -> Result<bool, StoreError>;
}
