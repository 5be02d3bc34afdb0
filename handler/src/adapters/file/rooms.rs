use std::ops::Bound;

use async_trait::async_trait;
use redb::ReadableTable;

use super::keys::Key;
use super::rows::{Open, Table, behind, corrupt, decode, encode, get, make_tables};
use crate::adapters::engine::Engine;
use crate::model::{Room, RoomId};
use crate::ports::{CreateRoomError, Rooms, StoreError, UpdateRoomError};

/// Room -> its row.
const ROOMS: Table = Table::new("rooms.v1.rooms");
/// [`Room::name_key`] -> the id of the room of that name.
const NAMES: Table = Table::new("rooms.v1.names");

/// The rooms of a data directory.
#[derive(Clone)]
pub struct FileRooms {
    engine: Engine,
}

impl FileRooms {
    pub async fn open(engine: &Engine) -> Result<Self, StoreError> {
        make_tables(engine, &[ROOMS, NAMES]).await?;
        Ok(Self { engine: engine.clone() })
    }
}

#[async_trait]
impl Rooms for FileRooms {
    async fn create(&self, room: &Room) -> Result<(), CreateRoomError> {
        let (room, row) = (room.clone(), encode(room)?);
        let create = move |txn: &redb::WriteTransaction| {
            let (mut rooms, mut names) = (txn.open_table(ROOMS)?, txn.open_table(NAMES)?);
            let key = Key::room(&room.id);
            match get::<Room>(&rooms, &key)? {
                Some(there) if there == room => return Ok(Ok(())),
                Some(_) => return Ok(Err(CreateRoomError::IdTaken)),
                None => {}
            }
            let Some(name) = free_name(&names, &room)? else { return Ok(Err(CreateRoomError::NameTaken)) };
            names.insert(name.as_bytes(), room.id.as_str().as_bytes())?;
            rooms.insert(key.as_bytes(), row.as_slice())?;
            Ok(Ok(()))
        };
        self.engine.write(create).await?
    }

    async fn get(&self, id: &RoomId) -> Result<Option<Room>, StoreError> {
        self.engine.read(|txn| get(&txn.open_table(ROOMS)?, &Key::room(id)))
    }

    async fn list(&self, after: Option<&RoomId>, limit: usize) -> Result<Vec<Room>, StoreError> {
        let after = after.map(Key::room);
        let list = move |txn: &redb::ReadTransaction| {
            let (first, end) = (Key::default(), Key::default().then_byte(u8::MAX));
            let rooms = txn.open_table(ROOMS)?;
            let page = rooms.range::<&[u8]>(behind(&first, &end, after.as_ref()))?.take(limit);
            page.map(|row| decode(row?.1.value())).collect()
        };
        self.engine.scan(list).await
    }

    async fn search(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Room>, StoreError> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        let search = move |txn: &redb::ReadTransaction| {
            let (rooms, names) = (txn.open_table(ROOMS)?, txn.open_table(NAMES)?);
            let start = match &after {
                Some(after) if *after >= prefix => Bound::Excluded(after.as_bytes()),
                _ => Bound::Included(prefix.as_bytes()),
            };
            let mut found = Vec::new();
            for row in names.range::<&[u8]>((start, Bound::Unbounded))? {
                let (name, id) = row?;
                if found.len() >= limit || !name.value().starts_with(prefix.as_bytes()) {
                    break;
                }
                let id = std::str::from_utf8(id.value()).map_err(corrupt)?;
                let room = get(&rooms, &Key::room(&RoomId::new(id).map_err(corrupt)?))?;
                found.push(room.ok_or_else(|| corrupt("a name without its room"))?);
            }
            Ok(found)
        };
        self.engine.scan(search).await
    }

    async fn update(&self, room: &Room) -> Result<u64, UpdateRoomError> {
        let room = room.clone();
        let update = move |txn: &redb::WriteTransaction| {
            let (mut rooms, mut names) = (txn.open_table(ROOMS)?, txn.open_table(NAMES)?);
            let key = Key::room(&room.id);
            let Some(there) = get::<Room>(&rooms, &key)? else { return Ok(Err(UpdateRoomError::NoSuchRoom)) };
            if there.revision != room.revision || !there.is_same_as(&room) {
                return Ok(Err(UpdateRoomError::Changed));
            }
            let Some(name) = free_name(&names, &room)? else { return Ok(Err(UpdateRoomError::NameTaken)) };
            let next = Room { revision: room.revision + 1, ..room.clone() };
            names.remove(Room::name_key(&there.name).as_bytes())?;
            names.insert(name.as_bytes(), room.id.as_str().as_bytes())?;
            rooms.insert(key.as_bytes(), encode(&next)?.as_slice())?;
            Ok(Ok(next.revision))
        };
        self.engine.write(update).await?
    }

    async fn delete(&self, room: &Room) -> Result<bool, StoreError> {
        let (key, room) = (Key::room(&room.id), room.clone());
        let delete = move |txn: &redb::WriteTransaction| {
            let (mut rooms, mut names) = (txn.open_table(ROOMS)?, txn.open_table(NAMES)?);
            let there = get::<Room>(&rooms, &key)?;
            let Some(there) = there.filter(|there| there.is_same_as(&room)) else { return Ok(false) };
            names.remove(Room::name_key(&there.name).as_bytes())?;
            rooms.remove(key.as_bytes())?;
            Ok(true)
        };
        self.engine.write(delete).await
    }
}

/// The room's name as a key, unless another room has it.
fn free_name(names: &Open<'_>, room: &Room) -> Result<Option<String>, StoreError> {
    let name = Room::name_key(&room.name);
    let Some(owner) = names.get(name.as_bytes())? else { return Ok(Some(name)) };
    let owner = std::str::from_utf8(owner.value()).map_err(corrupt)?;
    Ok((owner == room.id.as_str()).then_some(name))
}

#[cfg(test)]
mod tests {
    use super::super::tests::engine_in;
    use super::*;

    crate::contract_suite!(rooms, |dir| FileRooms::open(&engine_in(dir).await).await.unwrap());
}
