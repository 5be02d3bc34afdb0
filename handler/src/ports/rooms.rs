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

    /// Rooms whose [`Room::name_key`] starts with `prefix` (a key itself), ascending by key, those with key > `after`, at
    /// most `limit`.
    async fn search(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Room>, StoreError>;

    /// Replaces the row if it is the same room's and stands at `room.revision` still, and stores it with the next revision,
    /// which it answers.
    async fn update(&self, room: &Room) -> Result<u64, UpdateRoomError>;

    /// Removes the room's row, however it changed, and frees the name. `false` when the id has no room, or another one.
    async fn delete(&self, room: &Room) -> Result<bool, StoreError>;
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

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateRoomError {
    #[error("there is no such room")]
    NoSuchRoom,
    #[error("the room was changed meanwhile")]
    Changed,
    #[error("a room of this name exists")]
    NameTaken,
    #[error(transparent)]
    Store(#[from] StoreError),
}
