use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::model::{RoomId, Sanction, SanctionKind, Timestamp, UserId};
use crate::ports::{Sanctions, StoreError};

type Rows = BTreeMap<(RoomId, SanctionKind), BTreeMap<UserId, Sanction>>;

/// The sanctions of this process.
#[derive(Debug, Default)]
pub struct MemorySanctions {
    rows: Mutex<Rows>,
}

impl MemorySanctions {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Sanctions for MemorySanctions {
    async fn put(&self, room: &RoomId, sanction: &Sanction) -> Result<(), StoreError> {
        let mut rows = self.rows();
        let of_kind = rows.entry((room.clone(), sanction.kind)).or_default();
        of_kind.insert(sanction.user.clone(), sanction.clone());
        Ok(())
    }

    async fn of(&self, room: &RoomId, user: &UserId) -> Result<Vec<Sanction>, StoreError> {
        let rows = self.rows();
        let kinds = [SanctionKind::Ban, SanctionKind::Mute, SanctionKind::Removal];
        Ok(kinds.iter().filter_map(|kind| rows.get(&(room.clone(), *kind))?.get(user).cloned()).collect())
    }

    async fn list(
        &self,
        room: &RoomId,
        kind: SanctionKind,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Sanction>, StoreError> {
        let rows = self.rows();
        let Some(of_kind) = rows.get(&(room.clone(), kind)) else { return Ok(Vec::new()) };
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(of_kind.range((start, Bound::Unbounded)).take(limit).map(|(_, row)| row.clone()).collect())
    }

    async fn remove(&self, room: &RoomId, sanction: &Sanction) -> Result<bool, StoreError> {
        let (mut rows, key) = (self.rows(), (room.clone(), sanction.kind));
        let Some(of_kind) = rows.get_mut(&key) else { return Ok(false) };
        if !of_kind.get(&sanction.user).is_some_and(|row| row.is_same(sanction)) {
            return Ok(false);
        }
        of_kind.remove(&sanction.user);
        // No empty tables are left behind.
        if of_kind.is_empty() {
            rows.remove(&key);
        }
        Ok(true)
    }

    async fn mark_applied(&self, room: &RoomId, sanction: &Sanction) -> Result<(), StoreError> {
        let mut rows = self.rows();
        let row =
            rows.get_mut(&(room.clone(), sanction.kind)).and_then(|of_kind| of_kind.get_mut(&sanction.user));
        if let Some(row) = row.filter(|row| row.is_same(sanction)) {
            row.applied = true;
        }
        Ok(())
    }

    async fn unapplied(
        &self,
        after: Option<(&RoomId, &Sanction)>,
        limit: usize,
    ) -> Result<Vec<(RoomId, Sanction)>, StoreError> {
        let place = |room: &RoomId, row: &Sanction| (room.clone(), row.kind, row.user.clone());
        let after = after.map(|(room, row)| place(room, row));
        let rows = self.rows();
        let all = rows.iter().flat_map(|((room, _), of_kind)| of_kind.values().map(move |row| (room, row)));
        let behind = all.filter(|(room, row)| {
            !row.applied && after.as_ref().is_none_or(|after| place(room, row) > *after)
        });
        Ok(behind.take(limit).map(|(room, row)| (room.clone(), row.clone())).collect())
    }

    async fn expired(&self, now: Timestamp, limit: usize) -> Result<Vec<(RoomId, Sanction)>, StoreError> {
        let rows = self.rows();
        let all = rows.iter().flat_map(|((room, _), of_kind)| of_kind.values().map(move |row| (room, row)));
        let past = all.filter(|(_, row)| row.applied && !row.is_in_force(now)).take(limit);
        Ok(past.map(|(room, row)| (room.clone(), row.clone())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::contract_suite!(sanctions, MemorySanctions::new);
}
