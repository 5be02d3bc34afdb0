use serde::Serialize;

use super::{Caller, Chat, Refused, RoomView};
use crate::model::{RoomId, UserId};

/// A room as somebody wants it, read but not yet judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRoom {
    pub name: String,
    pub description: String,
    pub is_private: bool,
    pub allowed_users: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RoomPage {
    pub rooms: Vec<RoomView>,
    /// Given back as `after` for the rooms behind these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<RoomId>,
}

impl Chat {
    /// Makes sure of the room `general`. Repeatable; asked once at the start.
    pub async fn ensure_general(&self) -> Result<(), Refused> {
        todo!()
    }

    /// Creates a room with the caller as owner and first member. With a key (`Idempotency-Key`, invocation id) a repeat
    /// gets the first answer.
    pub async fn create_room(&self, caller: &Caller, new: NewRoom, key: Option<&str>) -> Result<RoomView, Refused> {
        todo!()
    }

    /// Rooms the caller may see, by ascending id; `limit` is clamped to 1..=100.
    pub async fn list_rooms(&self, caller: &Caller, after: Option<&RoomId>, limit: usize) -> Result<RoomPage, Refused> {
        todo!()
    }

    pub async fn get_room(&self, caller: &Caller, room: &str) -> Result<RoomView, Refused> {
        todo!()
    }

    /// Deletes a room: creator or admin. Its members are told and taken out.
    pub async fn delete_room(&self, caller: &Caller, room: &str) -> Result<(), Refused> {
        todo!()
    }
}

pub(super) fn unused(_: &UserId) {}
