use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_trait::async_trait;

use crate::model::{Member, ReadMark, Role, RoomId, UserId};
use crate::ports::{Members, StoreError};

/// The memberships of this process.
#[derive(Debug, Default)]
pub struct MemoryMembers {
    rows: RwLock<Rows>,
}

#[derive(Debug, Default)]
struct Rows {
    by_room: HashMap<RoomId, BTreeMap<UserId, Member>>,
    by_user: HashMap<UserId, BTreeSet<RoomId>>,
}

impl MemoryMembers {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn read(&self) -> RwLockReadGuard<'_, Rows> {
        self.rows.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Rows> {
        self.rows.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Members for MemoryMembers {
    async fn add(&self, room: &RoomId, member: &Member) -> Result<Member, StoreError> {
        let mut rows = self.write();
        rows.by_user.entry(member.user.clone()).or_default().insert(room.clone());
        let members = rows.by_room.entry(room.clone()).or_default();
        Ok(members.entry(member.user.clone()).or_insert_with(|| member.clone()).clone())
    }

    async fn confirm(&self, room: &RoomId, member: &Member, joined_seq: u64) -> Result<(), StoreError> {
        let mut rows = self.write();
        if let Some(there) = rows.member_mut(room, &member.user).filter(|there| there.is_same_as(member)) {
            there.joined_seq = Some(joined_seq);
        }
        Ok(())
    }

    async fn remove(&self, room: &RoomId, member: &Member) -> Result<bool, StoreError> {
        let mut rows = self.write();
        let is_there = rows.member(room, &member.user).is_some_and(|there| there.is_same_as(member));
        if is_there {
            rows.remove(room, &member.user);
        }
        Ok(is_there)
    }

    async fn set_role(&self, room: &RoomId, user: &UserId, role: Role) -> Result<Option<Member>, StoreError> {
        Ok(self.write().member_mut(room, user).map(|member| {
            member.role = role;
            member.clone()
        }))
    }

    async fn get(&self, room: &RoomId, user: &UserId) -> Result<Option<Member>, StoreError> {
        Ok(self.read().member(room, user).cloned())
    }

    async fn count(&self, room: &RoomId) -> Result<usize, StoreError> {
        Ok(self.read().by_room.get(room).map_or(0, BTreeMap::len))
    }

    async fn list(
        &self,
        room: &RoomId,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Member>, StoreError> {
        let rows = self.read();
        let Some(members) = rows.by_room.get(room) else { return Ok(Vec::new()) };
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(members.range((start, Bound::Unbounded)).take(limit).map(|(_, member)| member.clone()).collect())
    }

    async fn rooms_of(
        &self,
        user: &UserId,
        after: Option<&RoomId>,
        limit: usize,
    ) -> Result<Vec<(RoomId, Member)>, StoreError> {
        let rows = self.read();
        let Some(rooms) = rows.by_user.get(user) else { return Ok(Vec::new()) };
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rooms = rooms.range((start, Bound::Unbounded)).take(limit);
        Ok(rooms.filter_map(|room| Some((room.clone(), rows.member(room, user)?.clone()))).collect())
    }

    async fn raise_mark(
        &self,
        room: &RoomId,
        user: &UserId,
        mark: ReadMark,
    ) -> Result<Option<ReadMark>, StoreError> {
        Ok(self.write().member_mut(room, user).map(|member| {
            member.read = member.read.raised_to(mark);
            member.read
        }))
    }
}

impl Rows {
    fn member(&self, room: &RoomId, user: &UserId) -> Option<&Member> {
        self.by_room.get(room)?.get(user)
    }

    fn member_mut(&mut self, room: &RoomId, user: &UserId) -> Option<&mut Member> {
        self.by_room.get_mut(room)?.get_mut(user)
    }

    /// Leaves no empty maps behind.
    fn remove(&mut self, room: &RoomId, user: &UserId) {
        if let Some(members) = self.by_room.get_mut(room) {
            members.remove(user);
            if members.is_empty() {
                self.by_room.remove(room);
            }
        }
        if let Some(rooms) = self.by_user.get_mut(user) {
            rooms.remove(room);
            if rooms.is_empty() {
                self.by_user.remove(user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::contract_suite!(members, MemoryMembers::new);
}
