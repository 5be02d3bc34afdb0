use async_trait::async_trait;

use super::Faulty;
use crate::model::{Profile, Timestamp, UserId};
use crate::ports::{Profiles, StoreError};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: Profiles + ?Sized> Profiles for Faulty<P> {
    async fn get(&self, users: &[UserId]) -> Result<Vec<Profile>, StoreError> {
        self.call("profiles.get", self.inner.get(users)).await
    }

    async fn put(&self, profile: &Profile) -> Result<(), StoreError> {
        self.call("profiles.put", self.inner.put(profile)).await
    }

    async fn seen(&self, user: &UserId, at: Timestamp) -> Result<(), StoreError> {
        self.call("profiles.seen", self.inner.seen(user, at)).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::Faults;
    use super::*;
    use crate::adapters::memory::MemoryProfiles;

    crate::contract_suite!(profiles, || Faulty::new(Arc::new(MemoryProfiles::new()), Faults::default()));
}
