use async_trait::async_trait;

use super::{Around, Call, Wrapped};
use crate::model::{Invitation, RoomId, Timestamp, UserId};
use crate::ports::{Invitations, Redeemed, StoreError};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: Invitations + ?Sized, W: Around> Invitations for Wrapped<P, W> {
    async fn create(&self, invitation: &Invitation) -> Result<(), StoreError> {
        self.call(Call::again("invitations.create"), || self.inner.create(invitation)).await
    }

    async fn get(&self, id: &str) -> Result<Option<Invitation>, StoreError> {
        self.call(Call::again("invitations.get"), || self.inner.get(id)).await
    }

    async fn redeem(&self, id: &str, user: &UserId, now: Timestamp) -> Result<Redeemed, StoreError> {
        self.call(Call::again("invitations.redeem"), || self.inner.redeem(id, user, now)).await
    }

    async fn list(
        &self,
        room: &RoomId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Invitation>, StoreError> {
        self.call(Call::again("invitations.list"), || self.inner.list(room, after, limit)).await
    }

    async fn revoke(&self, room: &RoomId, id: &str) -> Result<bool, StoreError> {
        self.call(Call::once("invitations.revoke"), || self.inner.revoke(room, id)).await
    }
}
