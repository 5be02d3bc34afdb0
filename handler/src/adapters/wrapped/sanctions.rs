use async_trait::async_trait;

use super::{Around, Call, Wrapped};
use crate::model::{RoomId, Sanction, SanctionKind, Timestamp, UserId};
use crate::ports::{Sanctions, StoreError};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: Sanctions + ?Sized, W: Around> Sanctions for Wrapped<P, W> {
    async fn put(&self, room: &RoomId, sanction: &Sanction) -> Result<(), StoreError> {
        self.call(Call::again("sanctions.put"), || self.inner.put(room, sanction)).await
    }

    async fn of(&self, room: &RoomId, user: &UserId) -> Result<Vec<Sanction>, StoreError> {
        self.call(Call::again("sanctions.of"), || self.inner.of(room, user)).await
    }

    async fn list(
        &self,
        room: &RoomId,
        kind: SanctionKind,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Sanction>, StoreError> {
        self.call(Call::again("sanctions.list"), || self.inner.list(room, kind, after, limit)).await
    }

    async fn remove(&self, room: &RoomId, sanction: &Sanction) -> Result<bool, StoreError> {
        self.call(Call::once("sanctions.remove"), || self.inner.remove(room, sanction)).await
    }

    async fn mark_applied(&self, room: &RoomId, sanction: &Sanction) -> Result<(), StoreError> {
        self.call(Call::again("sanctions.mark_applied"), || self.inner.mark_applied(room, sanction)).await
    }

    async fn unapplied(
        &self,
        after: Option<(&RoomId, &Sanction)>,
        limit: usize,
    ) -> Result<Vec<(RoomId, Sanction)>, StoreError> {
        self.call(Call::again("sanctions.unapplied"), || self.inner.unapplied(after, limit)).await
    }

    async fn expired(&self, now: Timestamp, limit: usize) -> Result<Vec<(RoomId, Sanction)>, StoreError> {
        self.call(Call::again("sanctions.expired"), || self.inner.expired(now, limit)).await
    }
}
