//! Bans and mutes. The row decides, from the moment it is written; entry and live connections follow, and a row that is not
//! `applied` is finished by a repeat or by the repair.

use std::time::Duration;

use serde::Serialize;

use super::access::room_id;
use super::audit::Act;
use super::edits::check_reason;
use super::history::page_length;
use super::members::user_in;
use super::policy::Action;
use super::{Caller, Chat, Refused};
use crate::model::{RoomId, Sanction, SanctionKind, Timestamp, UserId, bounds};

/// A sanction may last this long, in seconds; one without an end is another thing.
const LONGEST_SECS: u64 = 10 * 366 * 24 * 60 * 60;
/// The same once more within this time is a repeat; later it starts anew.
const REPEAT: Duration = Duration::from_secs(60);

/// A ban or a mute as somebody wants it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewSanction {
    pub user: String,
    pub duration_secs: Option<u64>,
    pub reason: Option<String>,
}

/// A ban or a mute as moderators read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SanctionView {
    pub user: UserId,
    pub by: UserId,
    pub at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl From<Sanction> for SanctionView {
    fn from(row: Sanction) -> Self {
        Self { user: row.user, by: row.by, at: row.at, until: row.until, reason: row.reason }
    }
}

/// By ascending user id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SanctionPage {
    pub sanctions: Vec<SanctionView>,
    /// Given back as `after` for those behind these.
    pub next: Option<UserId>,
}

impl Chat {
    /// Refuses a user whom a ban in force keeps out of the room. Every way in asks here.
    pub(super) async fn check_not_banned(&self, room: &RoomId, user: &UserId) -> Result<(), Refused> {
        self.ban(room, user).await?.map_or(Ok(()), |ban| Err(banned(&ban)))
    }

    /// The same, and a membership that the ban did not find ends: it was laid on meanwhile, or a crash came between.
    pub(super) async fn end_if_banned(&self, room: &RoomId, user: &UserId) -> Result<(), Refused> {
        let Some(ban) = self.ban(room, user).await? else { return Ok(()) };
        if let Some(member) = self.ports.members.get(room, user).await? {
            self.end_membership(room, &member, Some(&ban.by)).await?;
            // Whoever saw the row may have let connections in by it.
            self.expel_live(room, user).await?;
        }
        Err(banned(&ban))
    }

    pub(super) async fn ban(&self, room: &RoomId, user: &UserId) -> Result<Option<Sanction>, Refused> {
        let now = self.ports.clock.now();
        let ban = self.standing_sanction(room, user, SanctionKind::Ban).await?;
        Ok(ban.filter(|ban| ban.is_in_force(now)))
    }

    /// Lays a ban or a mute on a user, in place of an earlier one. Repeatable.
    pub async fn sanction(
        &self,
        caller: &Caller,
        room: &str,
        kind: SanctionKind,
        new: NewSanction,
    ) -> Result<SanctionView, Refused> {
        let user = user_in("user", &new.user)?;
        let room = self.visible(caller, &room_id(room)?).await?;
        self.require_over(caller, &room, &user, Action::Sanction).await?;
        let wanted = new.judge(user, kind, caller, self.ports.clock.now())?;
        let (row, is_new) = match self.same_before(&room.id, &wanted).await? {
            Some(row) => (row, false),
            None => (self.at_a_time_of_its_own(&room.id, wanted).await?, true),
        };
        self.audited(caller, act(&room.id, &row), self.lay(&room.id, &row, is_new)).await?;
        Ok(row.into())
    }

    async fn lay(&self, room: &RoomId, row: &Sanction, is_new: bool) -> Result<(), Refused> {
        if is_new {
            self.ports.sanctions.put(room, row).await?;
        }
        self.known.forget_sanctions(room, &row.user);
        if row.applied { Ok(()) } else { self.apply(room, row).await }
    }

    /// Lifts it: who might lay it, and every admin. `false` where there is none in force. Its row stands, lifted, until the
    /// entry tells of it, so that a crash leaves it for a repeat or the repair.
    pub async fn lift(
        &self,
        caller: &Caller,
        room: &str,
        kind: SanctionKind,
        user: &str,
    ) -> Result<bool, Refused> {
        let user = user_in("user", user)?;
        let room = self.visible(caller, &room_id(room)?).await?;
        if !caller.is_admin {
            self.require_over(caller, &room, &user, Action::Sanction).await?;
        }
        let standing = self.standing_sanction(&room.id, &user, kind).await?;
        let (now, Some(mut row)) = (self.ports.clock.now(), standing) else { return Ok(false) };
        let was_in_force = row.is_in_force(now);
        if was_in_force {
            row = self.at_a_time_of_its_own(&room.id, row.lifted(&caller.user, now)).await?;
        }
        if row.is_lifted() {
            self.audited(caller, act(&room.id, &row), self.lay(&room.id, &row, was_in_force)).await?;
        }
        Ok(was_in_force)
    }

    /// Those in force. A page may be short while there is more.
    pub async fn list_sanctions(
        &self,
        caller: &Caller,
        room: &str,
        kind: SanctionKind,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<SanctionPage, Refused> {
        let limit = page_length(limit, bounds::MEMBERS_PAGE_DEFAULT, bounds::MEMBERS_PAGE_MAX)?;
        let after = after.map(|after| user_in("after", after)).transpose()?;
        let room = self.visible(caller, &room_id(room)?).await?;
        self.require(caller, &room, Action::Sanction).await?;
        let rows = self.ports.sanctions.list(&room.id, kind, after.as_ref(), limit).await?;
        let next = rows.last().filter(|_| rows.len() == limit).map(|row| row.user.clone());
        let now = self.ports.clock.now();
        let current = rows.into_iter().filter(|row| row.is_in_force(now));
        Ok(SanctionPage { sanctions: current.map(SanctionView::from).collect(), next })
    }

    /// The row that this command, sent before, has laid on.
    async fn same_before(&self, room: &RoomId, wanted: &Sanction) -> Result<Option<Sanction>, Refused> {
        let rows = self.ports.sanctions.of(room, &wanted.user).await?;
        let row = rows.into_iter().find(|row| row.kind == wanted.kind && row.is_in_force(wanted.at));
        Ok(row.filter(|row| is_same(row, wanted)))
    }
}

/// A decision's own time tells it from every other.
fn act(room: &RoomId, row: &Sanction) -> Act {
    let action = match (row.kind, row.is_lifted()) {
        (SanctionKind::Ban, false) => "room.ban",
        (SanctionKind::Ban, true) => "room.unban",
        (_, false) => "room.mute",
        (_, true) => "room.unmute",
    };
    let until = row.until.filter(|_| !row.is_lifted());
    Act {
        target: until.map(|until| format!("until {until}")),
        reason: row.reason.clone(),
        occasion: row.at.to_string(),
        ..Act::on(action, room, &row.user)
    }
}

fn is_same(row: &Sanction, wanted: &Sanction) -> bool {
    let duration = |one: &Sanction| one.until.map(|until| until.millis().saturating_sub(one.at.millis()));
    let age = Duration::from_millis(wanted.at.millis().saturating_sub(row.at.millis()));
    row.by == wanted.by
        && row.reason == wanted.reason
        && duration(row) == duration(wanted)
        && (row.until.is_none() || age < REPEAT)
}

impl NewSanction {
    fn judge(
        self,
        user: UserId,
        kind: SanctionKind,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<Sanction, Refused> {
        if self.duration_secs.is_some_and(|secs| secs == 0 || secs > LONGEST_SECS) {
            let sentence =
                format!("duration must be 1 to {LONGEST_SECS} seconds; leave it out for one without an end.");
            return Err(Refused::invalid("invalid_field", "duration", sentence));
        }
        let until = self.duration_secs.map(|secs| Timestamp::from_millis(now.millis() + secs * 1000));
        let reason = check_reason(self.reason.as_deref())?;
        Ok(Sanction {
            user,
            kind,
            by: caller.user.clone(),
            at: now,
            until,
            reason,
            ends: None,
            applied: false,
        })
    }
}

/// Why these sanctions keep the user from saying anything, if they do.
pub(super) fn forbids_writing(rows: &[Sanction], now: Timestamp) -> Option<Refused> {
    let mut in_force = rows.iter().filter(|row| row.is_in_force(now));
    in_force.find_map(|row| match row.kind {
        SanctionKind::Ban => Some(banned(row)),
        SanctionKind::Mute => Some(Refused::forbidden("muted", sentence("You are muted in this room", row))),
        SanctionKind::Removal => None,
    })
}

fn banned(row: &Sanction) -> Refused {
    Refused::forbidden("banned", sentence("This room is closed to the user by a ban", row))
}

fn sentence(what: &str, row: &Sanction) -> String {
    row.until.map_or_else(|| format!("{what}."), |until| format!("{what} until {until}."))
}
