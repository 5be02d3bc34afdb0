use async_trait::async_trait;

use super::StoreError;
use crate::model::{HandledEvent, Timestamp};

/// The events that were acted on, so that a copy of one has no effect, whichever process it comes to.
///
/// # Contract
/// An `Ok` is visible to every later call. Each call is atomic and may be repeated.
#[async_trait]
pub trait Handled: Send + Sync {
    /// Notes an event. One of the same connection and id that is there stays as it is.
    async fn note(&self, event: &HandledEvent) -> Result<(), StoreError>;

    /// What was noted of a connection's event.
    async fn find(&self, connection: &str, id: &str) -> Result<Option<HandledEvent>, StoreError>;

    /// Forgets events that were noted with a time < `before`, at most `limit`; how many. As long as it is `limit` there may be
    /// more.
    async fn forget(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError>;
}
