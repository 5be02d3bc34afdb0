//! Changing a room's row: name, description, privacy, how long messages are kept, and who may join although it is private.
//!
//! Each change names the revision it was made from, so none is lost, and each revision has its one entry `room_changed`:
//! its marker is the revision, by which a repeat finishes what a crash left between row and entry.

use std::sync::Arc;
use std::time::Duration;

use super::audit::{Act, Begun};
use super::backoff::Backoff;
use super::decisions::is_busy;
use super::policy::Action;
use super::rooms::{check_allowed, check_description, check_name};
use super::{Caller, Chat, Refused, RoomView, access::room_id, rules};
use crate::model::{Change, Room, RoomId, bounds};
use crate::ports::UpdateRoomError;

/// The command's name in its marker.
const CHANGED: &str = "room_changed";
/// How often a change is made anew where other processes were faster.
const TRIES: usize = 10;

/// What is to become of a room; what is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomEdit {
    pub name: Option<String>,
    pub description: Option<String>,
    pub is_private: Option<bool>,
    pub allowed_users: Option<Vec<String>>,
    pub blocked_words: Option<Vec<String>>,
    pub links: Option<String>,
    /// 0 takes the room's own away.
    pub retention_days: Option<u64>,
}

impl RoomEdit {
    /// What it takes to do this: rules are the moderators' too.
    fn action(&self) -> Action {
        let Self { name, description, is_private, allowed_users, blocked_words, links, retention_days } =
            self;
        let rules = blocked_words.is_some() || links.is_some();
        let others = name.is_some()
            || description.is_some()
            || is_private.is_some()
            || allowed_users.is_some()
            || retention_days.is_some();
        if rules && !others { Action::SetRules } else { Action::ChangeRoom }
    }

    fn apply(&self, room: &Room) -> Result<Room, Refused> {
        let mut room = room.clone();
        if let Some(name) = &self.name {
            check_name(name)?.clone_into(&mut room.name);
        }
        if let Some(description) = &self.description {
            check_description(description)?.clone_into(&mut room.description);
        }
        if let Some(allowed) = &self.allowed_users {
            room.allowed_users = check_allowed(allowed)?;
        }
        if let Some(words) = &self.blocked_words {
            room.rules.blocked_words = rules::check_words(words)?;
        }
        if let Some(links) = &self.links {
            room.rules.links = rules::check_links(links)?;
        }
        if let Some(days) = self.retention_days {
            room.retention_days = check_retention(days)?;
        }
        room.is_private = self.is_private.unwrap_or(room.is_private);
        room.was_private |= room.is_private;
        Ok(room)
    }
}

impl Chat {
    /// Changes a room: its owners and admins; what it wants of its messages, its moderators too. Setting what is set changes nothing.
    pub async fn change_room(
        &self,
        caller: &Caller,
        room: &str,
        edit: &RoomEdit,
    ) -> Result<RoomView, Refused> {
        let id = room_id(room)?;
        let found = self.visible(caller, &id).await?;
        self.require(caller, &found, edit.action()).await?;
        if edit.apply(&found)? != *found {
            self.charge(caller)?;
            for (field, name) in [("name", &edit.name), ("description", &edit.description)] {
                self.moderate_name(caller, field, name.as_deref()).await?;
            }
        }
        let act = Act::in_room("room.change", &id);
        let room = self.update_room(caller, &id, edit.action(), act, |room| edit.apply(room)).await?;
        self.view_room(&room).await
    }

    /// Writes what `change` makes of the row, however many do so at once, and tells the room. Answers the row as it is
    /// then. What changes something is on record as this act.
    pub(super) async fn update_room(
        &self,
        caller: &Caller,
        id: &RoomId,
        action: Action,
        act: Act,
        change: impl Fn(&Room) -> Result<Room, Refused> + Send + Sync,
    ) -> Result<Arc<Room>, Refused> {
        let mut begun = None;
        let outcome = self.try_to_update(caller, id, action, &act, &mut begun, change).await;
        if let Some(begun) = begun {
            self.end_act(begun, &outcome).await;
        }
        outcome
    }

    async fn try_to_update(
        &self,
        caller: &Caller,
        id: &RoomId,
        action: Action,
        act: &Act,
        begun: &mut Option<Begun>,
        change: impl Fn(&Room) -> Result<Room, Refused> + Send + Sync,
    ) -> Result<Arc<Room>, Refused> {
        let _turn = self.turns.take(id).await;
        let mut backoff = Backoff::new(None);
        for _ in 0..TRIES {
            let found = self.visible(caller, id).await?;
            self.require(caller, &found, action).await?;
            let wanted = change(&found)?;
            if wanted == *found {
                // Where a crash kept the entry back it is written now.
                self.tell_changed(caller, &found).await?;
                return Ok(found);
            }
            if begun.is_none() {
                let (target, occasion) = (Some(what_changes(&found, &wanted)), self.ports.ids.token());
                let act = Act { target, occasion, ..act.clone() };
                *begun = Some(self.begin_act(caller, act).await?);
            }
            match self.ports.rooms.update(&wanted).await {
                Ok(revision) => {
                    self.known.forget_room(id);
                    let changed = Arc::new(Room { revision, ..wanted });
                    self.tell_changed(caller, &changed).await?;
                    if !found.is_private || !changed.is_private {
                        self.notices.touch(id);
                    }
                    return Ok(changed);
                }
                // By another process.
                Err(UpdateRoomError::Changed) => drop(backoff.wait().await),
                Err(error) => return Err(refused(error)),
            }
        }
        Err(is_busy())
    }

    /// One entry for each revision but the first. Where the row is another by then, whose entry may have come before, it
    /// is told behind.
    async fn tell_changed(&self, caller: &Caller, room: &Room) -> Result<(), Refused> {
        let (mut room, mut behind) = (Arc::new(room.clone()), String::new());
        for _ in 0..TRIES {
            if room.revision == 0 {
                return Ok(());
            }
            let change = Change::RoomChanged {
                name: room.name.clone(),
                description: room.description.clone(),
                by: caller.user.clone(),
            };
            // An id that is opened again starts its revisions anew, so the room's beginning belongs to the occasion. The
            // marker is the room's, not the caller's: whoever repeats the change finds it.
            let occasion = format!("{}{}:{}{behind}", room.created_at.millis(), room.instance, room.revision);
            let told = self.append_change(&room.id, &room.created_by, CHANGED, &occasion, change).await?;
            let seq = told.ok_or_else(Refused::room_not_found)?.seq;
            let now = self.known.room(&room.id, Duration::ZERO).await?.ok_or_else(Refused::room_not_found)?;
            // Another revision that reads the same, as where somebody was let in, needs no second telling.
            if (&now.name, &now.description) == (&room.name, &room.description) {
                return Ok(());
            }
            (room, behind) = (now, format!(":{seq}"));
        }
        Err(is_busy())
    }
}

fn check_retention(days: u64) -> Result<Option<u32>, Refused> {
    let max = bounds::RETENTION_DAYS;
    let days = u32::try_from(days).ok().filter(|days| *days <= max).ok_or_else(|| {
        let sentence = format!("retention_days must be 1 to {max}, or 0 for none of the room's own.");
        Refused::invalid("invalid_field", "retention_days", sentence)
    })?;
    Ok((days > 0).then_some(days))
}

/// The names of the fields, for the record.
fn what_changes(before: &Room, wanted: &Room) -> String {
    let fields = [
        ("name", before.name != wanted.name),
        ("description", before.description != wanted.description),
        ("is_private", before.is_private != wanted.is_private),
        ("retention_days", before.retention_days != wanted.retention_days),
        ("allowed_users", before.allowed_users != wanted.allowed_users),
        ("blocked_words", before.rules.blocked_words != wanted.rules.blocked_words),
        ("links", before.rules.links != wanted.rules.links),
    ];
    let changed: Vec<_> =
        fields.into_iter().filter(|(_, is_changed)| *is_changed).map(|(name, _)| name).collect();
    changed.join(", ")
}

fn refused(error: UpdateRoomError) -> Refused {
    match error {
        UpdateRoomError::NameTaken => super::rooms::name_taken(),
        UpdateRoomError::NoSuchRoom => Refused::room_not_found(),
        UpdateRoomError::Changed => is_busy(),
        UpdateRoomError::Store(error) => error.into(),
    }
}
