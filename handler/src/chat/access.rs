//! Who may do what in a room. Every way in asks here.

use std::sync::Arc;
use std::time::Duration;

use super::bans::forbids_writing;
use super::{Caller, Chat, Refused};
use crate::model::{Room, RoomId, UserId};
use crate::ports::StoreError;

impl Chat {
    /// The room, if the user may send to it, judged by copies younger than `max_age`.
    pub(super) async fn may_send(
        &self,
        room: &RoomId,
        user: &UserId,
        max_age: Duration,
    ) -> Result<Arc<Room>, Refused> {
        self.check_send(room, user, max_age).await?
    }

    /// The same with the store's failures kept apart from its answers. Private rooms do not exist for those who are not
    /// in them.
    pub(super) async fn check_send(
        &self,
        room: &RoomId,
        user: &UserId,
        max_age: Duration,
    ) -> Result<Result<Arc<Room>, Refused>, StoreError> {
        let Some(found) = self.known.room(room, max_age).await? else {
            return Ok(Err(Refused::room_not_found()));
        };
        let sanctions = self.known.sanctions(room, user, max_age).await?;
        if let Some(refused) = forbids_writing(&sanctions, self.ports.clock.now()) {
            return Ok(Err(refused));
        }
        if !found.is_private && self.options.anonymous {
            return Ok(Ok(found));
        }
        Ok(match self.known.member(room, user, max_age).await? {
            Some(_) => Ok(found),
            None if found.is_private => Err(Refused::room_not_found()),
            None => Err(Refused::forbidden("not_a_member", "Only members may send to this room.")),
        })
    }

    /// The room, if the caller may read what was said in it; of admins who are not in it on the record.
    pub(super) async fn may_read(&self, caller: &Caller, room: &RoomId) -> Result<Arc<Room>, Refused> {
        let found = self.visible(caller, room).await?;
        if !caller.is_admin {
            self.check_not_banned(room, &caller.user).await?;
        }
        if !found.is_private && self.options.anonymous {
            return Ok(found);
        }
        if caller.is_admin {
            self.note_reading_as_admin(caller, room).await?;
            return Ok(found);
        }
        if self.is_member(room, &caller.user).await? {
            return Ok(found);
        }
        Err(Refused::forbidden("not_a_member", "Only members may read this room."))
    }

    /// The room as the store has it, if the caller may know of it.
    pub(super) async fn visible(&self, caller: &Caller, room: &RoomId) -> Result<Arc<Room>, Refused> {
        let found = self.known.room(room, Duration::ZERO).await?.ok_or_else(Refused::room_not_found)?;
        if self.can_see(caller, &found).await? { Ok(found) } else { Err(Refused::room_not_found()) }
    }

    /// Whether the room is hidden from the caller but for their being an admin.
    pub(super) async fn sees_as_admin(&self, caller: &Caller, room: &Room) -> Result<bool, Refused> {
        let without = Caller { is_admin: false, ..caller.clone() };
        Ok(caller.is_admin && !self.can_see(&without, room).await?)
    }

    pub(super) async fn can_see(&self, caller: &Caller, room: &Room) -> Result<bool, Refused> {
        Ok(!room.is_private
            || caller.is_admin
            // Who made it may come back to it: no room is without somebody who can own it.
            || room.created_by == caller.user
            || room.allowed_users.contains(&caller.user)
            || self.ports.members.get(&room.id, &caller.user).await?.is_some())
    }
}

/// Reads a room's id. One that cannot be an id names no room.
pub(super) fn room_id(text: &str) -> Result<RoomId, Refused> {
    RoomId::new(text).map_err(|error| Refused::bad_id("room_id", &error))
}
