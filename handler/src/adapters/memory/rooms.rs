use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_trait::async_trait;

use crate::model::{Room, RoomId};
use crate::ports::{CreateRoomError, Rooms, StoreError, UpdateRoomError};

/// The rooms of this process.
#[derive(Debug, Default)]
pub struct MemoryRooms {
    rows: RwLock<Rows>,
}

#[derive(Debug, Default)]
struct Rows {
    by_id: BTreeMap<RoomId, Room>,
    /// By [`Room::name_key`].
    by_name: BTreeMap<String, RoomId>,
}

impl MemoryRooms {
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
impl Rooms for MemoryRooms {
    async fn create(&self, room: &Room) -> Result<(), CreateRoomError> {
        let mut rows = self.write();
        match rows.by_id.get(&room.id) {
            Some(there) if there == room => return Ok(()),
            Some(_) => return Err(CreateRoomError::IdTaken),
            None => {}
        }
        let name = rows.free_name(room).ok_or(CreateRoomError::NameTaken)?;
        rows.by_name.insert(name, room.id.clone());
        rows.by_id.insert(room.id.clone(), room.clone());
        Ok(())
    }

    async fn get(&self, id: &RoomId) -> Result<Option<Room>, StoreError> {
        Ok(self.read().by_id.get(id).cloned())
    }

    async fn list(&self, after: Option<&RoomId>, limit: usize) -> Result<Vec<Room>, StoreError> {
        let rows = self.read();
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(rows.by_id.range((start, Bound::Unbounded)).take(limit).map(|(_, room)| room.clone()).collect())
    }

    async fn search(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Room>, StoreError> {
        let rows = self.read();
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let found = rows.by_name.range::<str, _>((start, Bound::Unbounded));
        let found = found.take_while(|(name, _)| name.starts_with(prefix)).take(limit);
        Ok(found.filter_map(|(_, id)| rows.by_id.get(id).cloned()).collect())
    }

    async fn update(&self, room: &Room) -> Result<u64, UpdateRoomError> {
        let mut rows = self.write();
        let there = rows.by_id.get(&room.id).ok_or(UpdateRoomError::NoSuchRoom)?;
        if there.revision != room.revision || !there.is_same_as(room) {
            return Err(UpdateRoomError::Changed);
        }
        let former_name = Room::name_key(&there.name);
        let name = rows.free_name(room).ok_or(UpdateRoomError::NameTaken)?;
        let revision = room.revision + 1;
        rows.by_name.remove(&former_name);
        rows.by_name.insert(name, room.id.clone());
        rows.by_id.insert(room.id.clone(), Room { revision, ..room.clone() });
        Ok(revision)
    }

    async fn delete(&self, room: &Room) -> Result<bool, StoreError> {
        let mut rows = self.write();
        let Some(there) = rows.by_id.get(&room.id).filter(|there| there.is_same_as(room)) else {
            return Ok(false);
        };
        let name = Room::name_key(&there.name);
        rows.by_name.remove(&name);
        rows.by_id.remove(&room.id);
        Ok(true)
    }
}

impl Rows {
    /// The room's name as a key, unless another room has it.
    fn free_name(&self, room: &Room) -> Option<String> {
        let name = Room::name_key(&room.name);
        self.by_name.get(&name).is_none_or(|id| *id == room.id).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::contract_suite!(rooms, MemoryRooms::new);
}
