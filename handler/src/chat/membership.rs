//! Joining and leaving. The member's row decides, the log's entry tells; what a crash leaves between them is finished by
//! whoever repeats the call.

use std::time::Duration;

use super::access::room_id;
use super::audit::Act;
use super::command::{Audience, Command, Verdict};
use super::known::AT_INGEST;
use super::{Caller, Chat, Refused, RoomView};
use crate::model::{Change, Marker, Member, ReadMark, Role, Room, RoomId, UserId};
use crate::ports::{NewEntry, Position, StoreError};

/// The command's name in the marker of a membership's end.
const LEFT: &str = "left";

impl Chat {
    /// Makes the caller a member and admits their live connections. Changes nothing for a member. A private room takes
    /// those it allows, and admins on the record. Where the deployment wants that, a room that is not there is made.
    pub async fn join_room(&self, caller: &Caller, room: &str) -> Result<RoomView, Refused> {
        let id = room_id(room)?;
        if self.options.create_on_join {
            return self.join_or_create(caller, &id).await;
        }
        self.join_existing(caller, &id).await
    }

    pub(super) async fn join_existing(&self, caller: &Caller, id: &RoomId) -> Result<RoomView, Refused> {
        let room = self.visible(caller, id).await?;
        self.charge_room(id)?;
        let role = if room.created_by == caller.user { Role::Owner } else { Role::Member };
        let join = self.let_in(&room, &caller.user, role);
        if self.sees_as_admin(caller, &room).await? {
            let occasion = self.ports.ids.token();
            let act = Act { occasion, ..Act::on("member.join", id, &caller.user) };
            self.audited(caller, act, join).await?;
        } else {
            join.await?;
        }
        self.view_room(&room).await
    }

    /// Ends the caller's membership and takes their live connections out. Changes nothing for a non-member, but finishes a
    /// leaving that was left half done, also where the room is hidden from the caller by now.
    pub async fn leave_room(&self, caller: &Caller, room: &str) -> Result<RoomView, Refused> {
        let (id, user) = (room_id(room)?, &caller.user);
        let room = self.known.room(&id, Duration::ZERO).await?.ok_or_else(Refused::room_not_found)?;
        let removal = match self.ports.members.get(&id, user).await? {
            Some(member) => Some(self.note_removal(&id, &member, user, None).await?),
            None => self.removal_under_way(&id, user).await?,
        };
        if let Some(removal) = removal {
            self.finish_removal(&id, &removal).await?;
            return self.view_room(&room).await;
        }
        self.settle_live(&id, user).await?;
        self.vanish_if_empty(&id, user).await?;
        if self.can_see(caller, &room).await? {
            self.view_room(&room).await
        } else {
            Err(Refused::room_not_found())
        }
    }

    pub(super) async fn make_member(&self, room: &Room, user: &UserId, role: Role) -> Result<(), Refused> {
        self.end_if_banned(&room.id, user).await?;
        let member = match self.ports.members.get(&room.id, user).await? {
            Some(member) if !self.has_left(&room.id, &member).await? => member,
            stale => {
                if let Some(stale) = stale {
                    self.ports.members.remove(&room.id, &stale).await?;
                }
                let head = self.ports.log.head(&room.id.conversation()).await?.unwrap_or_default();
                let member = Member {
                    user: user.clone(),
                    role,
                    joined_at: self.ports.clock.now(),
                    joined_seq: None,
                    since: head.seq,
                    // Nothing from before is unread.
                    read: ReadMark { seq: head.seq, number: head.count },
                };
                self.ports.members.add(&room.id, &member).await?
            }
        };
        // A ban laid on meanwhile may not have found the row: one of the two sees the other.
        self.end_if_banned(&room.id, user).await?;
        if member.joined_seq.is_none() {
            self.tell_joined(&room.id, &member).await?;
            self.touch_list(room);
        }
        Ok(())
    }

    /// Writes the entry of a row that has none yet. The row's own values name the occasion, so a repeat is a duplicate.
    pub(super) async fn tell_joined(&self, room: &RoomId, member: &Member) -> Result<u64, Refused> {
        let occasion = format!("{}:{}", member.joined_at.millis(), member.since);
        let change = Change::Joined { user: member.user.clone(), role: member.role };
        match self.append_change(room, &member.user, "joined", &occasion, change).await? {
            Some(Position { seq, number, .. }) => {
                self.ports.members.confirm(room, member, seq).await?;
                if number > member.read.number {
                    // Said between the look at the head and the entry: before them too.
                    self.ports.members.raise_mark(room, &member.user, ReadMark { seq, number }).await?;
                }
                if self.ports.members.get(room, &member.user).await?.is_none() {
                    // It ended before it was told.
                    self.tell_left(room, &member.user, seq, None).await?;
                }
                Ok(seq)
            }
            None => {
                // The room was deleted meanwhile.
                self.ports.members.remove(room, member).await?;
                Err(Refused::room_not_found())
            }
        }
    }

    /// The entry first: a crash behind it leaves the row, by which a repeat finds the same entry and goes on.
    pub(super) async fn end_membership(
        &self,
        room: &RoomId,
        member: &Member,
        by: Option<&UserId>,
    ) -> Result<(), Refused> {
        let joined_seq = match member.joined_seq {
            Some(seq) => seq,
            None => self.tell_joined(room, member).await?,
        };
        self.tell_left(room, &member.user, joined_seq, by).await?;
        self.ports.members.remove(room, member).await?;
        self.known.forget_member(room, &member.user);
        if let Some(room) = self.known.room(room, AT_INGEST).await? {
            self.touch_list(&room);
        }
        Ok(())
    }

    /// What everybody may see of the list changed, if the room is public.
    pub(super) fn touch_list(&self, room: &Room) {
        if !room.is_private {
            self.notices.touch(&room.id);
        }
    }

    async fn tell_left(
        &self,
        room: &RoomId,
        user: &UserId,
        joined_seq: u64,
        by: Option<&UserId>,
    ) -> Result<(), Refused> {
        let change = Change::Left { user: user.clone(), by: by.cloned() };
        self.append_change(room, user, LEFT, &joined_seq.to_string(), change).await.map(drop)
    }

    /// Whether the end of this membership is told already: a crash came before its row went.
    async fn has_left(&self, room: &RoomId, member: &Member) -> Result<bool, StoreError> {
        let Some(joined_seq) = member.joined_seq else { return Ok(false) };
        let conversation = room.conversation();
        let marker = Marker::of_command(&conversation, &member.user, LEFT, &joined_seq.to_string());
        Ok(self.ports.log.find(&conversation, &marker).await?.is_some())
    }

    /// Appends what a command changes in a room. `None` where the room takes no entries any more. That the transport did
    /// not take it is no failure: the appender goes on trying.
    pub(super) async fn append_change(
        &self,
        room: &RoomId,
        user: &UserId,
        command: &str,
        occasion: &str,
        change: Change,
    ) -> Result<Option<Position>, Refused> {
        let marker = Marker::of_command(&room.conversation(), user, command, occasion);
        let entry = NewEntry { marker: Some(marker), at: self.ports.clock.now(), change, only_behind: None };
        match self.append_to_room(room, entry).await? {
            Verdict::Stored { position, .. } => Ok(Some(position)),
            _ => Ok(None),
        }
    }

    pub(super) async fn append_to_room(&self, room: &RoomId, entry: NewEntry) -> Result<Verdict, Refused> {
        let commands = vec![Command { entry, excluded: None }];
        let audience = Audience::Room(room.clone());
        let appended = self.appenders.append(&audience, &room.conversation(), commands).await?;
        appended.filed()?;
        Ok(appended.verdicts.first().copied().unwrap_or(Verdict::Gone))
    }
}
