use async_trait::async_trait;

use super::{Around, Call, Wrapped};
use crate::model::{Room, RoomId};
use crate::ports::{CreateRoomError, Rooms, StoreError, UpdateRoomError};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: Rooms + ?Sized, W: Around> Rooms for Wrapped<P, W> {
    async fn create(&self, room: &Room) -> Result<(), CreateRoomError> {
        self.call(Call::again("rooms.create"), || self.inner.create(room)).await
    }

    async fn get(&self, id: &RoomId) -> Result<Option<Room>, StoreError> {
        self.call(Call::again("rooms.get"), || self.inner.get(id)).await
    }

    async fn list(&self, after: Option<&RoomId>, limit: usize) -> Result<Vec<Room>, StoreError> {
        self.call(Call::again("rooms.list"), || self.inner.list(after, limit)).await
    }

    async fn search(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Room>, StoreError> {
        self.call(Call::again("rooms.search"), || self.inner.search(prefix, after, limit)).await
    }

    async fn update(&self, room: &Room) -> Result<u64, UpdateRoomError> {
        self.call(Call::once("rooms.update"), || self.inner.update(room)).await
    }

    async fn delete(&self, room: &Room) -> Result<bool, StoreError> {
        self.call(Call::once("rooms.delete"), || self.inner.delete(room)).await
    }
}
