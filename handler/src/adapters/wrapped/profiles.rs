use async_trait::async_trait;

use super::{Around, Call, Wrapped};
use crate::model::{Profile, Timestamp, UserId};
use crate::ports::{Profiles, StoreError};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: Profiles + ?Sized, W: Around> Profiles for Wrapped<P, W> {
    async fn get(&self, users: &[UserId]) -> Result<Vec<Profile>, StoreError> {
        self.call(Call::again("profiles.get"), || self.inner.get(users)).await
    }

    async fn put(&self, profile: &Profile) -> Result<(), StoreError> {
        self.call(Call::again("profiles.put"), || self.inner.put(profile)).await
    }

    async fn seen(&self, user: &UserId, at: Timestamp) -> Result<(), StoreError> {
        self.call(Call::again("profiles.seen"), || self.inner.seen(user, at)).await
    }

    async fn sign_out(&self, user: &UserId, at: Timestamp) -> Result<(), StoreError> {
        self.call(Call::again("profiles.sign_out"), || self.inner.sign_out(user, at)).await
    }

    async fn blank(&self, user: &UserId) -> Result<(), StoreError> {
        self.call(Call::again("profiles.blank"), || self.inner.blank(user)).await
    }
}
