use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_trait::async_trait;

use crate::model::{Room, RoomId};
use crate::ports::{CreateRoomError, Rooms, StoreError};

/// The rooms of this process.
#[derive(Debug, Default)]
pub struct MemoryRooms {
    rows: RwLock<Rows>,
}

#[derive(Debug, Default)]
struct Rows {
    by_id: BTreeMap<RoomId, Room>,
    /// By [`Room::name_key`].
    by_name: HashMap<String, RoomId>,
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
        let name = rows.free_name(room)?;
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

    async fn update(&self, room: &Room) -> Result<bool, CreateRoomError> {
        let mut rows = self.write();
        let Some(there) = rows.by_id.get(&room.id) else { return Ok(false) };
        let former_name = Room::name_key(&there.name);
        let name = rows.free_name(room)?;
        rows.by_name.remove(&former_name);
        rows.by_name.insert(name, room.id.clone());
        rows.by_id.insert(room.id.clone(), room.clone());
        Ok(true)
    }

    async fn delete(&self, id: &RoomId) -> Result<bool, StoreError> {
        let mut rows = self.write();
        let Some(room) = rows.by_id.remove(id) else { return Ok(false) };
        rows.by_name.remove(&Room::name_key(&room.name));
        Ok(true)
    }
}

impl Rows {
    /// The room's name as a key, unless another room has it.
    fn free_name(&self, room: &Room) -> Result<String, CreateRoomError> {
        let name = Room::name_key(&room.name);
        match self.by_name.get(&name) {
            Some(id) if *id != room.id => Err(CreateRoomError::NameTaken),
            _ => Ok(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::contract_suite!(rooms, MemoryRooms::new);
}
