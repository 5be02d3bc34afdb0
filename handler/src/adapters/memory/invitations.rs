use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::model::{Invitation, RoomId, Timestamp, UserId};
use crate::ports::{Invitations, Redeemed, StoreError};

type Rows = BTreeMap<String, Invitation>;

/// The invitations of this process.
#[derive(Debug, Default)]
pub struct MemoryInvitations {
    rows: Mutex<Rows>,
}

impl MemoryInvitations {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Invitations for MemoryInvitations {
    async fn create(&self, invitation: &Invitation) -> Result<(), StoreError> {
        self.rows().entry(invitation.id.clone()).or_insert_with(|| invitation.clone());
        Ok(())
    }

    async fn get(&self, id: &str) -> Result<Option<Invitation>, StoreError> {
        Ok(self.rows().get(id).cloned())
    }

    async fn redeem(&self, id: &str, user: &UserId, now: Timestamp) -> Result<Redeemed, StoreError> {
        Ok(match self.rows().get_mut(id) {
            Some(invitation) => invitation.redeem(user, now),
            None => Redeemed::Unknown,
        })
    }

    async fn list(
        &self,
        room: &RoomId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Invitation>, StoreError> {
        let rows = self.rows();
        let behind = rows
            .values()
            .filter(|row| row.room == *room && after.is_none_or(|after| row.id.as_str() > after));
        Ok(behind.take(limit).cloned().collect())
    }

    async fn revoke(&self, room: &RoomId, id: &str) -> Result<bool, StoreError> {
        let mut rows = self.rows();
        let is_there = rows.get(id).is_some_and(|row| row.room == *room);
        Ok(is_there && rows.remove(id).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::contract_suite!(invitations, MemoryInvitations::new);
}
