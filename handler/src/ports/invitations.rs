use async_trait::async_trait;

use super::StoreError;
use crate::model::{Invitation, RoomId, Timestamp, UserId};

/// Links into rooms.
///
/// # Contract
/// An `Ok` is durable and visible to every later call. Each call is atomic and may be repeated.
#[async_trait]
pub trait Invitations: Send + Sync {
    /// Stores the invitation unless its id is there.
    async fn create(&self, invitation: &Invitation) -> Result<(), StoreError>;

    /// The invitation with this id, also one that has expired or is used up.
    async fn get(&self, id: &str) -> Result<Option<Invitation>, StoreError>;

    /// Uses the invitation up by one for this user, however many do so at once; not again for one it has let in. Nobody
    /// comes in by it from `expires_at` on.
    async fn redeem(&self, id: &str, user: &UserId, now: Timestamp) -> Result<Redeemed, StoreError>;

    /// A room's invitations by ascending id, those with id > `after`, at most `limit`; expired ones too.
    async fn list(
        &self,
        room: &RoomId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Invitation>, StoreError>;

    /// Removes it. `false` when the room has no such invitation.
    async fn revoke(&self, room: &RoomId, id: &str) -> Result<bool, StoreError>;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redeemed {
    /// The user may come in by it, now or again.
    Yes(Invitation),
    /// There is none, or none any more.
    Unknown,
    Expired,
    UsedUp,
}

impl Invitation {
    /// What one user's use does to it; the change to write where the answer is `Yes`. Every adapter judges by this.
    pub(crate) fn redeem(&mut self, user: &UserId, now: Timestamp) -> Redeemed {
        if now >= self.expires_at {
            return Redeemed::Expired;
        }
        if self.used_by.contains(user) {
            return Redeemed::Yes(self.clone());
        }
        if self.used_by.len() >= usize::try_from(self.max_uses).unwrap_or(usize::MAX) {
            return Redeemed::UsedUp;
        }
        self.used_by.push(user.clone());
        Redeemed::Yes(self.clone())
    }
}
