use std::time::Duration;

use futures_util::future::try_join_all;
use sha2::{Digest, Sha256};

use super::access::room_id;
use super::audit::Act;
use super::command::Verdict;
use super::message::GENERAL;
use super::{Caller, Chat, Refused, RoomView};
use crate::model::{Change, Marker, Member, Role, Room, RoomId, Rules, SanctionKind, UserId, bounds};
use crate::ports::{CreateRoomError, NewEntry};

/// The command's name in its marker.
const DELETED: &str = "deleted";
/// Decisions forgotten at once when a room is deleted.
const PAGE: usize = 100;
/// Users a private room names, at most.
pub(super) const ALLOWED_USERS: usize = 1_000;
/// Members taken out at once when a room is deleted.
const EXPELLED_AT_ONCE: usize = 32;

/// A room as somebody wants it, read but not yet judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRoom {
    pub name: String,
    pub description: String,
    pub is_private: bool,
    pub allowed_users: Vec<String>,
}

impl Chat {
    /// Makes sure of the room `general`. Repeatable; asked once at the start.
    pub async fn ensure_general(&self) -> Result<(), Refused> {
        let id = room_id(GENERAL)?;
        if self.ports.rooms.get(&id).await?.is_none() {
            let room = Room {
                id: id.clone(),
                name: "General".to_owned(),
                description: "Everybody's room".to_owned(),
                created_by: UserId::system(),
                created_at: self.ports.clock.now(),
                is_private: false,
                was_private: false,
                allowed_users: Vec::new(),
                retention_days: None,
                revision: 0,
                fleeting: false,
                instance: String::new(),
                rules: Rules::default(),
            };
            match self.ports.rooms.create(&room).await {
                // Another process was first.
                Ok(()) | Err(CreateRoomError::IdTaken) => {}
                Err(error) => return Err(refused(error)),
            }
        }
        self.ports.log.open(&id.conversation()).await?;
        Ok(())
    }

    /// Creates a room with the caller as owner and first member. With a key (`Idempotency-Key`, invocation id) a repeat
    /// gets the first answer.
    pub async fn create_room(
        &self,
        caller: &Caller,
        new: NewRoom,
        key: Option<&str>,
    ) -> Result<RoomView, Refused> {
        let id = match key {
            Some(key) => id_of_key(&caller.user, key)?,
            None => self.ports.ids.room_id(),
        };
        let room = new.judge(id, caller.user.clone(), self.ports.clock.now())?;
        if key.is_some()
            && let Some(first) = self.created_before(&room.id).await?
        {
            return self.create_again(&first).await;
        }
        self.charge(caller)?;
        self.moderate_name(caller, "name", Some(&room.name)).await?;
        self.moderate_name(caller, "description", Some(&room.description)).await?;
        let (target, occasion) = (Some(room.name.clone()), room.created_at.to_string());
        let act = Act { target, occasion, ..Act::in_room("room.create", &room.id) };
        self.audited(caller, act, self.create(&room)).await
    }

    async fn create(&self, room: &Room) -> Result<RoomView, Refused> {
        match self.ports.rooms.create(room).await {
            Ok(()) => {
                self.ports.log.open(&room.id.conversation()).await?;
                self.finish_creation(room).await
            }
            // A repeat of the same request that overtook this one.
            Err(CreateRoomError::IdTaken) => match self.created_before(&room.id).await? {
                Some(first) => self.create_again(&first).await,
                None => Err(refused(CreateRoomError::IdTaken)),
            },
            Err(CreateRoomError::NameTaken) => match self.left_unfinished(room).await? {
                Some(first) => self.finish_creation(&first).await,
                None => Err(name_taken()),
            },
            Err(error) => Err(refused(error)),
        }
    }

    /// Finishes what the first request began. Once the creator was in the room a repeat changes nothing: they may have left.
    async fn create_again(&self, first: &Room) -> Result<RoomView, Refused> {
        let is_in = self.ports.members.get(&first.id, &first.created_by).await?.is_some();
        if !is_in && self.has_begun(first).await? {
            return self.view_room(first).await;
        }
        self.finish_creation(first).await
    }

    /// The same room as its creator wanted it before, under another id, where a failure came before anybody was in it.
    async fn left_unfinished(&self, wanted: &Room) -> Result<Option<Room>, Refused> {
        let name = Room::name_key(&wanted.name);
        let found = self.ports.rooms.search(&name, None, 1).await?.into_iter().next();
        let same = |room: &Room| {
            let again = Room { id: room.id.clone(), created_at: room.created_at, ..wanted.clone() };
            *room == again
        };
        match found.filter(same) {
            Some(room) if !self.has_begun(&room).await? => Ok(Some(room)),
            _ => Ok(None),
        }
    }

    /// Whether anything was ever told in the room; its creator's joining is the first.
    async fn has_begun(&self, room: &Room) -> Result<bool, Refused> {
        Ok(self.ports.log.head(&room.id.conversation()).await?.is_some_and(|head| head.seq > 0))
    }

    /// What the first request with this key created. Its deletion since is final.
    async fn created_before(&self, id: &RoomId) -> Result<Option<Room>, Refused> {
        if let Some(first) = self.ports.rooms.get(id).await? {
            return Ok(Some(first));
        }
        match self.ports.log.head(&id.conversation()).await? {
            Some(head) if head.closed => {
                Err(Refused::conflict("room_deleted", "The room made with this key was deleted since."))
            }
            _ => Ok(None),
        }
    }

    async fn finish_creation(&self, room: &Room) -> Result<RoomView, Refused> {
        self.let_in(room, &room.created_by, Role::Owner).await?;
        self.view_room(room).await
    }

    pub async fn get_room(&self, caller: &Caller, room: &str) -> Result<RoomView, Refused> {
        let room = self.visible(caller, &room_id(room)?).await?;
        self.view_room(&room).await
    }

    /// Deletes a room: creator or admin. Its members are told and taken out. What was said stays in the log, which takes
    /// no more. A repeat finishes what a failure left; with a key (`Idempotency-Key`, invocation id) it gets the first
    /// answer even when nothing was left. Any other finds no room.
    pub async fn delete_room(
        &self,
        caller: &Caller,
        room: &str,
        key: Option<&str>,
    ) -> Result<RoomId, Refused> {
        let id = room_id(room)?;
        let Some(room) = self.known.room(&id, Duration::ZERO).await? else {
            let was_this = self.has_deleted(caller, &id, key).await?;
            return if was_this { Ok(id) } else { Err(Refused::room_not_found()) };
        };
        if room.id.as_str() == GENERAL {
            return Err(Refused::forbidden("room_is_permanent", "This room cannot be deleted."));
        }
        // A private room's creator may delete it without being a member: a deletion takes them out before the room is gone.
        if room.created_by != caller.user && !caller.is_admin {
            self.visible(caller, &id).await?;
            return Err(Refused::forbidden("not_the_creator", "Only the room's creator may delete it."));
        }
        let occasion = format!("{}:{}", room.created_at, room.instance);
        let act = Act { target: Some(room.name.clone()), occasion, ..Act::in_room("room.delete", &id) };
        self.audited(caller, act, self.end_room(&room, &caller.user, key)).await?;
        Ok(id)
    }

    /// Tells everyone, takes everyone out, and removes the room with what was decided in it. Repeatable.
    pub(super) async fn end_room(&self, room: &Room, by: &UserId, key: Option<&str>) -> Result<(), Refused> {
        let verdict = self.append_end(room, by, key, None).await?;
        let closed_at = match verdict {
            Verdict::Stored { position, .. } => position.seq,
            // Another deletion was first, and what it left is finished here.
            _ => match self.ports.log.head(&room.id.conversation()).await? {
                Some(head) if head.closed => head.seq,
                _ => return Ok(()),
            },
        };
        self.clear_room(room, closed_at).await
    }

    /// The room's last entry. With a key its marker is the caller's, by which their repeat is known; without, the room's.
    pub(super) async fn append_end(
        &self,
        room: &Room,
        by: &UserId,
        key: Option<&str>,
        only_behind: Option<u64>,
    ) -> Result<Verdict, Refused> {
        let conversation = room.id.conversation();
        let marker = match key {
            Some(key) => Marker::of_command(&conversation, by, DELETED, key),
            None => {
                let occasion = format!("{}:{}", room.created_at.millis(), room.instance);
                Marker::of_command(&conversation, &room.created_by, DELETED, &occasion)
            }
        };
        let change = Change::RoomDeleted { by: by.clone() };
        let entry = NewEntry { marker: Some(marker), at: self.ports.clock.now(), change, only_behind };
        self.append_to_room(&room.id, entry).await
    }

    /// What is to do once the log is closed: takes out who was in it then, and removes the room. The id may have another
    /// room already, which is left alone.
    pub(super) async fn clear_room(&self, room: &Room, closed_at: u64) -> Result<(), Refused> {
        let id = &room.id;
        self.take_out_everyone(room, closed_at).await?;
        if let Some(there) = self.ports.rooms.get(id).await?.filter(|there| there.is_same_as(room)) {
            self.forget_decisions(id).await?;
            if there.was_private {
                // Whoever opens the id anew is not to read what was said in private. That it was deleted stays.
                let up_to = closed_at.saturating_sub(1);
                self.drop_attachments_in(&id.conversation(), up_to).await?;
                self.ports.log.trim(&id.conversation(), up_to).await?;
            }
            self.ports.rooms.delete(room).await?;
        }
        self.known.forget_room(id);
        self.touch_list(room);
        Ok(())
    }

    /// Reviews, sanctions and links of a room that ends: the id may be opened again, by somebody else.
    pub(super) async fn forget_decisions(&self, room: &RoomId) -> Result<(), Refused> {
        self.drop_reviews(room).await?;
        for kind in [SanctionKind::Ban, SanctionKind::Mute, SanctionKind::Removal] {
            loop {
                let rows = self.ports.sanctions.list(room, kind, None, PAGE).await?;
                if rows.is_empty() {
                    break;
                }
                try_join_all(rows.iter().map(|row| self.ports.sanctions.remove(room, row))).await?;
            }
        }
        loop {
            let rows = self.ports.invitations.list(room, None, PAGE).await?;
            if rows.is_empty() {
                return Ok(());
            }
            try_join_all(rows.iter().map(|row| self.ports.invitations.revoke(room, &row.id))).await?;
        }
    }

    /// Whether it was this very request that deleted the room.
    async fn has_deleted(&self, caller: &Caller, room: &RoomId, key: Option<&str>) -> Result<bool, Refused> {
        let Some(key) = key else { return Ok(false) };
        let conversation = room.conversation();
        let marker = Marker::of_command(&conversation, &caller.user, DELETED, key);
        Ok(self.ports.log.find(&conversation, &marker).await?.is_some())
    }

    /// Takes out those who were in before the log was closed. Connections first: while the row is there, a repeat finds
    /// whom it has still to take out.
    async fn take_out_everyone(&self, room: &Room, closed_at: u64) -> Result<(), Refused> {
        let mut after: Option<UserId> = None;
        loop {
            let members = self.ports.members.list(&room.id, after.as_ref(), EXPELLED_AT_ONCE).await?;
            let Some(last) = members.last() else { return Ok(()) };
            after = Some(last.user.clone());
            let were_in =
                members.iter().filter(|member| member.joined_seq.unwrap_or(member.since) < closed_at);
            try_join_all(were_in.map(|member| self.take_out(room, member))).await?;
        }
    }

    async fn take_out(&self, room: &Room, member: &Member) -> Result<(), Refused> {
        let (id, user) = (&room.id, &member.user);
        self.expel_live(id, user).await?;
        self.ports.members.remove(id, member).await?;
        self.known.forget_member(id, user);
        // Who was letting themself in just now would hear the next room of this id.
        if room.fleeting { self.expel_live(id, user).await } else { Ok(()) }
    }

    pub(super) async fn view_room(&self, room: &Room) -> Result<RoomView, Refused> {
        Ok(RoomView::new(room, self.ports.members.count(&room.id).await?))
    }
}

impl NewRoom {
    fn judge(self, id: RoomId, created_by: UserId, now: crate::model::Timestamp) -> Result<Room, Refused> {
        Ok(Room {
            id,
            name: check_name(&self.name)?.to_owned(),
            description: check_description(&self.description)?.to_owned(),
            created_by,
            created_at: now,
            is_private: self.is_private,
            was_private: self.is_private,
            allowed_users: check_allowed(&self.allowed_users)?,
            retention_days: None,
            revision: 0,
            fleeting: false,
            instance: String::new(),
            rules: Rules::default(),
        })
    }
}

/// The name without surrounding space, within its bounds.
pub(super) fn check_name(name: &str) -> Result<&str, Refused> {
    let name = name.trim();
    if name.is_empty() {
        return Err(Refused::invalid("missing_field", "name", "name is missing."));
    }
    let max = bounds::ROOM_NAME_CHARS;
    if name.chars().count() > max {
        return Err(Refused::invalid("too_long", "name", format!("name must be at most {max} characters.")));
    }
    if name.chars().any(char::is_control) {
        return Err(Refused::invalid("invalid_name", "name", "name must not hold control characters."));
    }
    Ok(name)
}

pub(super) fn check_description(description: &str) -> Result<&str, Refused> {
    let max = bounds::ROOM_DESCRIPTION_CHARS;
    if description.chars().count() > max {
        let sentence = format!("description must be at most {max} characters.");
        return Err(Refused::invalid("too_long", "description", sentence));
    }
    Ok(description)
}

pub(super) fn check_allowed(users: &[String]) -> Result<Vec<UserId>, Refused> {
    check_how_many_allowed(users.len())?;
    let users = users.iter().map(|user| UserId::given(user)).collect::<Result<_, _>>();
    users.map_err(|error| Refused::bad_id("allowed_users", &error))
}

fn check_how_many_allowed(count: usize) -> Result<(), Refused> {
    if count <= ALLOWED_USERS {
        return Ok(());
    }
    let sentence = format!("allowed_users must name at most {ALLOWED_USERS} users.");
    Err(Refused::invalid("too_long", "allowed_users", sentence))
}

/// The same caller's same key makes the same room.
fn id_of_key(user: &UserId, key: &str) -> Result<RoomId, Refused> {
    let mut hasher = Sha256::new();
    for part in [user.as_str(), key] {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    let digest = hasher.finalize();
    RoomId::new(&format!("r_{}", hex::encode(&digest[..16])))
        .map_err(|error| Refused::bad_id("Idempotency-Key", &error))
}

fn refused(error: CreateRoomError) -> Refused {
    match error {
        CreateRoomError::NameTaken => name_taken(),
        CreateRoomError::IdTaken => Refused::conflict("room_id_taken", "A room with this id exists."),
        CreateRoomError::Store(error) => error.into(),
    }
}

pub(super) fn name_taken() -> Refused {
    Refused { field: Some("name"), ..Refused::conflict("room_name_taken", "A room of this name exists.") }
}
