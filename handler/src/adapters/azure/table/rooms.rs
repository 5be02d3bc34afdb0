use async_trait::async_trait;

use super::client::{Match, Query, Refusal, Table, Tables, Write, WriteError};
use super::row::Row;
use super::{keys, pause};
use crate::model::{Room, RoomId};
use crate::ports::{CreateRoomError, Rooms, StoreError, UpdateRoomError};

/// Rooms come and go seldom and are read from caches, so all of them are in one partition: name and room change in one
/// transaction.
const PARTITION: &str = "v1";

/// The rooms of a storage account: `r` and an id, `n` and a name; both rows hold the room.
#[derive(Clone, Debug)]
pub struct TableRooms {
    table: Table,
}

impl TableRooms {
    #[must_use]
    pub fn new(tables: &Tables) -> Self {
        Self { table: tables.table("rooms") }
    }

    /// The room, and the etag to change it by.
    async fn find(&self, id: &RoomId) -> Result<Option<(Room, String)>, StoreError> {
        let Some(row) = self.table.get(PARTITION, &room_key(id)).await? else { return Ok(None) };
        Ok(Some((row.get_json()?, row.etag()?.to_owned())))
    }
}

fn room_key(id: &RoomId) -> String {
    format!("r{id}")
}

fn name_key(name: &str) -> String {
    format!("n{}", keys::sortable(&Room::name_key(name)))
}

fn rows(room: &Room) -> Result<(Row, Row), StoreError> {
    let by_id = Row::new(PARTITION, &room_key(&room.id))?.json(room)?;
    let by_name = Row::new(PARTITION, &name_key(&room.name))?.json(room)?;
    Ok((by_id, by_name))
}

#[async_trait]
impl Rooms for TableRooms {
    async fn create(&self, room: &Room) -> Result<(), CreateRoomError> {
        let (by_id, by_name) = rows(room)?;
        match self.table.write(PARTITION, vec![Write::Insert(by_id), Write::Insert(by_name)]).await {
            Ok(_) => Ok(()),
            Err(WriteError::Store(error)) => Err(error.into()),
            Err(WriteError::Refused(_)) => match self.get(&room.id).await? {
                Some(there) if there == *room => Ok(()),
                Some(_) => Err(CreateRoomError::IdTaken),
                None => Err(CreateRoomError::NameTaken),
            },
        }
    }

    async fn get(&self, id: &RoomId) -> Result<Option<Room>, StoreError> {
        Ok(self.find(id).await?.map(|(room, _)| room))
    }

    async fn list(&self, after: Option<&RoomId>, limit: usize) -> Result<Vec<Room>, StoreError> {
        let first = after.map_or_else(|| "r".to_owned(), room_key);
        let query = Query::partition(PARTITION).after(&first).before("s");
        self.table.query(&query, limit).await?.iter().map(Row::get_json).collect()
    }

    async fn search(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Room>, StoreError> {
        let mut query = Query::partition(PARTITION).beginning(&format!("n{}", keys::sortable(prefix)));
        if let Some(after) = after {
            query = query.after(&format!("n{}", keys::sortable(after)));
        }
        self.table.query(&query, limit).await?.iter().map(Row::get_json).collect()
    }

    async fn update(&self, room: &Room) -> Result<u64, UpdateRoomError> {
        let Some((there, etag)) = self.find(&room.id).await? else { return Err(UpdateRoomError::NoSuchRoom) };
        if !there.is_same_as(room) || there.revision != room.revision {
            return Err(UpdateRoomError::Changed);
        }
        let next = Room { revision: room.revision + 1, ..room.clone() };
        let (by_id, by_name) = rows(&next)?;
        let former = name_key(&there.name);
        let mut writes = vec![Write::Replace(by_id, Match::Etag(etag))];
        if former == name_key(&next.name) {
            writes.push(Write::Put(by_name));
        } else {
            writes.extend([Write::Insert(by_name), Write::Delete(former, Match::Any)]);
        }
        match self.table.write(PARTITION, writes).await {
            Ok(_) => Ok(next.revision),
            Err(WriteError::Refused(Refusal::Exists)) => Err(UpdateRoomError::NameTaken),
            Err(WriteError::Refused(Refusal::Changed)) => Err(UpdateRoomError::Changed),
            Err(WriteError::Refused(Refusal::Missing)) => Err(UpdateRoomError::NoSuchRoom),
            Err(WriteError::Store(error)) => Err(error.into()),
        }
    }

    async fn delete(&self, room: &Room) -> Result<bool, StoreError> {
        let mut retry = pause::Retry::default();
        loop {
            let (there, etag) = match self.find(&room.id).await? {
                Some(found) if found.0.is_same_as(room) => found,
                _ => return Ok(false),
            };
            let writes = vec![
                Write::Delete(room_key(&room.id), Match::Etag(etag)),
                Write::Delete(name_key(&there.name), Match::Any),
            ];
            match self.table.write(PARTITION, writes).await {
                Ok(_) => return Ok(true),
                Err(WriteError::Refused(_)) => retry.wait().await?,
                Err(WriteError::Store(error)) => return Err(error),
            }
        }
    }
}
