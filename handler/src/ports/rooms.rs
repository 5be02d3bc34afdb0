use async_trait::async_trait;

use super::StoreError;
use crate::model::{Room, RoomId};

/// The rooms' own rows. Who is in them is [`super::Members`]'s, what was said the log's.
///
/// # Contract
/// An `Ok` is durable and visible to every later call. Each call is atomic.
#[async_trait]
pub trait Rooms: Send + Sync {
    /// Stores a new room. Names are unique by [`Room::name_key`]. Creating the very same row again is `Ok`, so the
    /// call may be repeated.
    async fn create(&self, room: &Room) -> Result<(), CreateRoomError>;

    async fn get(&self, id: &RoomId) -> Result<Option<Room>, StoreError>;

    /// Rooms by ascending id, those with id > `after`, at most `limit`.
    async fn list(&self, after: Option<&RoomId>, limit: usize) -> Result<Vec<Room>, StoreError>;

    /// Replaces the row of a room that exists; `NameTaken` as for `create`. `false` when there is no such room.
    async fn update(&self, room: &Room) -> Result<bool, CreateRoomError>;

    /// Removes the row and frees the name. `false` when there is no such room.
    async fn delete(&self, id: &RoomId) -> Result<bool, StoreError>;
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateRoomError {
    #[error("a room of this name exists")]
    NameTaken,
    #[error("a room with this id exists")]
    IdTaken,
    #[error(transparent)]
    Store(#[from] StoreError),
}
