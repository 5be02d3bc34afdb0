//! Rooms that come with the first who joins and go with the last who leaves, where the deployment wants them.

use super::command::Verdict;
use super::message::GENERAL;
use super::{Caller, Chat, Kind, Refused, RoomView};
use crate::model::{Room, RoomId, Rules, UserId, bounds};
use crate::ports::CreateRoomError;

/// How often joining and creating are tried in turn, where others come and go.
const TRIES: usize = 10;

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
                // Gone again, or going: what is left to do of that is done here too, so that the next try finds the id free.
                Err(refused) if refused.kind == Kind::NotFound => self.finish_end(id).await?,
                outcome => return outcome,
            }
        }
        self.join_existing(caller, id).await
    }

    /// The log before the row: so a row whose log is closed is one that is going.
    async fn create_fleeting(&self, caller: &Caller, id: &RoomId) -> Result<(), Refused> {
        self.moderate_name(caller, "room_id", Some(id.as_str())).await?;
        self.ports.log.open(&id.conversation()).await?;
        let mut room = Room {
            id: id.clone(),
            name: id.as_str().chars().take(bounds::ROOM_NAME_CHARS).collect(),
            description: String::new(),
            created_by: caller.user.clone(),
            created_at: self.ports.clock.now(),
            is_private: false,
            was_private: false,
            allowed_users: Vec::new(),
            retention_days: None,
            revision: 0,
            fleeting: true,
            instance: self.ports.ids.token(),
            rules: Rules::default(),
        };
        loop {
            match self.ports.rooms.create(&room).await {
                Err(CreateRoomError::NameTaken) => room.name = self.another_name(id),
                // Somebody else was first; they made it, and it is joined as any other.
                Ok(()) | Err(CreateRoomError::IdTaken) => break,
                Err(CreateRoomError::Store(error)) => return Err(error.into()),
            }
        }
        self.known.forget_room(id);
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
        for _ in 0..TRIES {
            // In this order. Who joins writes a row and then an entry: one of them is seen, or the log has gone on.
            let head = self.ports.log.head(&id.conversation()).await?;
            let room = self.ports.rooms.get(id).await?.filter(|room| room.fleeting);
            let (Some(head), Some(room)) = (head, room) else { return Ok(()) };
            if self.ports.members.count(id).await? > 0 {
                return Ok(());
            }
            match self.append_end(&room, by, None, Some(head.seq)).await? {
                Verdict::Stored { position, .. } => return self.clear_room(&room, position.seq).await,
                Verdict::Refused(_) => {}
                Verdict::Gone => return self.finish_end(id).await,
            }
        }
        Ok(())
    }

    /// Finishes the end of a room whose log is closed.
    async fn finish_end(&self, id: &RoomId) -> Result<(), Refused> {
        // The row first: a log that is closed behind its making was closed by its end.
        let Some(room) = self.ports.rooms.get(id).await? else { return Ok(()) };
        match self.ports.log.head(&id.conversation()).await? {
            Some(head) if head.closed => self.clear_room(&room, head.seq).await,
            _ => Ok(()),
        }
    }
}
