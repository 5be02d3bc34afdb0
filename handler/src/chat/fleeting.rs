//! Rooms that come with the first who joins and go with the last who leaves, where the deployment wants them.

use super::message::GENERAL;
use super::{Caller, Chat, Kind, Refused, RoomView};
use crate::model::{Room, RoomId, UserId, bounds};
use crate::ports::CreateRoomError;

/// How often joining and creating are tried in turn, where others come and go.
const TRIES: usize = 5;

impl Chat {
    /// Joins a room, and makes it where there is none.
    pub(super) async fn join_or_create(&self, caller: &Caller, id: &RoomId) -> Result<RoomView, Refused> {
        for _ in 0..TRIES {
            match self.ports.rooms.get(id).await? {
                Some(room) if room.is_private => break,
                Some(_) => {}
                None => self.create_fleeting(caller, id).await?,
            }
            match self.join_existing(caller, id).await {
                // Gone again.
                Err(refused) if refused.kind == Kind::NotFound => {}
                outcome => return outcome,
            }
        }
        self.join_existing(caller, id).await
    }

    async fn create_fleeting(&self, caller: &Caller, id: &RoomId) -> Result<(), Refused> {
        let mut room = Room {
            id: id.clone(),
            name: id.as_str().chars().take(bounds::ROOM_NAME_CHARS).collect(),
            description: String::new(),
            created_by: caller.user.clone(),
            created_at: self.ports.clock.now(),
            is_private: false,
            was_private: false,
            allowed_users: Vec::new(),
            revision: 0,
            fleeting: true,
        };
        loop {
            match self.ports.rooms.create(&room).await {
                Err(CreateRoomError::NameTaken) => room.name = self.another_name(id),
                // Somebody else was first; they made it, and it is joined as any other.
                Ok(()) | Err(CreateRoomError::IdTaken) => break,
                Err(CreateRoomError::Store(error)) => return Err(error.into()),
            }
        }
        self.ports.log.open(&id.conversation()).await?;
        self.notices.touch(id);
        Ok(())
    }

    /// The id and four digits of chance, where a room has the id as its name.
    fn another_name(&self, id: &RoomId) -> String {
        let token = self.ports.ids.token();
        let digits = token.get(token.len().saturating_sub(4)..).unwrap_or("0");
        let start: String = id.as_str().chars().take(bounds::ROOM_NAME_CHARS - 5).collect();
        format!("{start}-{digits}")
    }

    /// Removes a room of this kind that nobody is in. A repeat finishes what a failure left.
    pub(super) async fn vanish_if_empty(&self, id: &RoomId, by: &UserId) -> Result<(), Refused> {
        if !self.options.create_on_join || id.as_str() == GENERAL {
            return Ok(());
        }
        match self.ports.rooms.get(id).await? {
            Some(room) if room.fleeting && self.ports.members.count(id).await? == 0 => {
                self.end_room(&room, by, None).await
            }
            _ => Ok(()),
        }
    }
}
