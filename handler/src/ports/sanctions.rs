use async_trait::async_trait;

use super::StoreError;
use crate::model::{RoomId, Sanction, SanctionKind, Timestamp, UserId};

/// Bans, mutes and removals under way. At most one row per room, user and kind.
///
/// # Contract
/// An `Ok` is durable and visible to every later call. Each call is atomic and may be repeated. Rows whose `until` is past
/// stay until they are removed; callers judge the time.
#[async_trait]
pub trait Sanctions: Send + Sync {
    /// Stores the row, in place of one of the same room, user and kind.
    async fn put(&self, room: &RoomId, sanction: &Sanction) -> Result<(), StoreError>;

    /// The user's sanctions in the room, by kind.
    async fn of(&self, room: &RoomId, user: &UserId) -> Result<Vec<Sanction>, StoreError>;

    /// Rows of one kind by ascending user id, those with id > `after`, at most `limit`.
    async fn list(
        &self,
        room: &RoomId,
        kind: SanctionKind,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Sanction>, StoreError>;

    /// Removes this row, applied or not. `false` when another stands there by now, or none: see [`Sanction::is_same`].
    async fn remove(&self, room: &RoomId, sanction: &Sanction) -> Result<bool, StoreError>;

    /// Notes that this row is applied. Nothing happens when another stands there by now, or none.
    async fn mark_applied(&self, room: &RoomId, sanction: &Sanction) -> Result<(), StoreError>;

    /// Rows of all rooms that are not applied, in an order that stays, those behind `after`, at most `limit`. `after` need
    /// not be there any more.
    async fn unapplied(
        &self,
        after: Option<(&RoomId, &Sanction)>,
        limit: usize,
    ) -> Result<Vec<(RoomId, Sanction)>, StoreError>;

    /// Applied rows of all rooms whose `until` is `now` or before it, at most `limit`.
    async fn expired(&self, now: Timestamp, limit: usize) -> Result<Vec<(RoomId, Sanction)>, StoreError>;
}
