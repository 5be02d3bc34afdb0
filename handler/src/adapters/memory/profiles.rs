use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::model::{Profile, Timestamp, UserId};
use crate::ports::{Profiles, StoreError};

type Rows = HashMap<UserId, Profile>;

/// The profiles of this process.
#[derive(Debug, Default)]
pub struct MemoryProfiles {
    rows: Mutex<Rows>,
}

impl MemoryProfiles {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Profiles for MemoryProfiles {
    async fn get(&self, users: &[UserId]) -> Result<Vec<Profile>, StoreError> {
        let rows = self.rows();
        Ok(users.iter().filter_map(|user| rows.get(user).cloned()).collect())
    }

    async fn put(&self, profile: &Profile) -> Result<(), StoreError> {
        let mut rows = self.rows();
        let there = rows.entry(profile.user.clone()).or_insert_with(|| Profile::of(profile.user.clone()));
        *there = there.replaced_by(profile);
        Ok(())
    }

    async fn seen(&self, user: &UserId, at: Timestamp) -> Result<(), StoreError> {
        let mut rows = self.rows();
        let row = rows.entry(user.clone()).or_insert_with(|| Profile::of(user.clone()));
        row.last_seen = row.last_seen.max(Some(at));
        Ok(())
    }

    async fn sign_out(&self, user: &UserId, at: Timestamp) -> Result<(), StoreError> {
        let mut rows = self.rows();
        let row = rows.entry(user.clone()).or_insert_with(|| Profile::of(user.clone()));
        row.signed_out_at = row.signed_out_at.max(Some(at));
        Ok(())
    }

    async fn blank(&self, user: &UserId) -> Result<(), StoreError> {
        let mut rows = self.rows();
        let there = rows.remove(user);
        if let Some(blank) = there.and_then(|profile| profile.blanked()) {
            rows.insert(user.clone(), blank);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::contract_suite!(profiles, MemoryProfiles::new);
}
