//! What rows decide and entries tell, where several decide at once. Each who has told looks whether the row is still the one
//! they told of. If not, what took its place may have been told before, and is told once more behind theirs. So the last
//! entry says what the row says.

use super::{Chat, Refused};
use crate::model::{Change, Marker, Member, Role, RoomId, Sanction, SanctionKind, Timestamp, UserId};
use crate::ports::StoreError;

/// How often somebody tells anew where others were faster.
const TRIES: usize = 10;
/// Entries read at once.
const PAGE: usize = 500;
/// Entries looked at for a change of role that a crash kept from its row. Older than that, another change ends it.
const LATELY: u64 = 1_000;

impl Chat {
    /// Does what is still to do for a ban or a mute, or for the end of one. Repeatable.
    pub(super) async fn apply(&self, room: &RoomId, row: &Sanction) -> Result<(), Refused> {
        let (mut row, mut occasion) = (row.clone(), occasion_of(row));
        for turn in 0..TRIES {
            let Some(seq) = self.tell_sanction(room, &row, &occasion).await? else {
                // The room was deleted meanwhile. Whoever opens its id again has decided nothing yet.
                self.ports.sanctions.remove(room, &row).await?;
                // It may have gone with the last one who was in it, by this very ban.
                return if turn > 0 { Ok(()) } else { Err(Refused::room_not_found()) };
            };
            if row.kind == SanctionKind::Ban && !row.is_lifted() {
                self.take_out_banned(room, &row).await?;
            }
            self.known.forget_sanctions(room, &row.user);
            match self.standing_sanction(room, &row.user, row.kind).await? {
                Some(now) if !now.is_same(&row) => {
                    occasion = format!("{}:{seq}", occasion_of(&now));
                    row = now;
                }
                // Its end may have been told before it.
                None if !row.is_lifted() => {
                    row = row.lifted(&row.by, self.ports.clock.now());
                    occasion = format!("{}:{seq}", occasion_of(&row));
                }
                _ => return self.settle(room, &row).await,
            }
        }
        Err(is_busy())
    }

    async fn tell_sanction(
        &self,
        room: &RoomId,
        row: &Sanction,
        occasion: &str,
    ) -> Result<Option<u64>, Refused> {
        let on = !row.is_lifted();
        let change = Change::Sanctioned {
            user: row.user.clone(),
            kind: row.kind,
            on,
            by: row.by.clone(),
            until: row.until.filter(|_| on),
            reason: row.reason.clone(),
        };
        let told = self.append_change(room, &row.user, command(row.kind, on), occasion, change).await?;
        Ok(told.map(|position| position.seq))
    }

    /// Its time names a decision in its entry's marker, so one that comes in the same millisecond as the same before it takes
    /// the next.
    pub(super) async fn at_a_time_of_its_own(
        &self,
        room: &RoomId,
        mut new: Sanction,
    ) -> Result<Sanction, StoreError> {
        let (conversation, command) = (room.conversation(), command(new.kind, !new.is_lifted()));
        loop {
            let marker = Marker::of_command(&conversation, &new.user, command, &occasion_of(&new));
            if self.ports.log.find(&conversation, &marker).await?.is_none() {
                return Ok(new);
            }
            let later = |time: Timestamp| Timestamp::from_millis(time.millis() + 1);
            (new.at, new.until) = (later(new.at), new.until.map(later));
        }
    }

    /// Nothing is left to do for this row.
    async fn settle(&self, room: &RoomId, row: &Sanction) -> Result<(), Refused> {
        if row.is_lifted() {
            self.ports.sanctions.remove(room, row).await?;
        } else {
            self.ports.sanctions.mark_applied(room, row).await?;
        }
        self.known.forget_sanctions(room, &row.user);
        Ok(())
    }

    pub(super) async fn standing_sanction(
        &self,
        room: &RoomId,
        user: &UserId,
        kind: SanctionKind,
    ) -> Result<Option<Sanction>, StoreError> {
        Ok(self.ports.sanctions.of(room, user).await?.into_iter().find(|row| row.kind == kind))
    }

    /// Brings the member's row to the last role that entries tell, of which one is at `seq`. `false` for no member.
    pub(super) async fn follow_role(
        &self,
        room: &RoomId,
        user: &UserId,
        mut role: Role,
        mut seq: u64,
    ) -> Result<bool, Refused> {
        for _ in 0..TRIES {
            let Some(row) = self.ports.members.set_role(room, user, role).await? else { return Ok(false) };
            self.known.forget_member(room, user);
            if row.joined_seq.is_none() {
                self.tell_joined(room, &row).await?;
            }
            match self.role_told_behind(room, user, seq).await? {
                Some((at, newer)) if newer != role => (seq, role) = (at, newer),
                _ => return Ok(true),
            }
        }
        Err(is_busy())
    }

    /// Whether a crash came between an entry and the row, lately: the entry gives the member another role.
    pub(super) async fn tells_another_role(&self, room: &RoomId, row: &Member) -> Result<bool, StoreError> {
        let head = self.ports.log.head(&room.conversation()).await?.unwrap_or_default();
        let told = self.role_told_behind(room, &row.user, head.seq.saturating_sub(LATELY)).await?;
        Ok(told.is_some_and(|(_, role)| role != row.role))
    }

    /// The last role that entries behind `seq` give the user, unless the membership ends there.
    pub(super) async fn role_told_behind(
        &self,
        room: &RoomId,
        user: &UserId,
        mut seq: u64,
    ) -> Result<Option<(u64, Role)>, StoreError> {
        let mut told = None;
        loop {
            let page = self.ports.log.entries(&room.conversation(), seq, PAGE).await?;
            let entries = page.map(|page| page.entries).unwrap_or_default();
            for entry in &entries {
                seq = entry.seq;
                match &entry.change {
                    Change::Joined { user: whose, role } | Change::RoleChanged { user: whose, role, .. }
                        if whose == user =>
                    {
                        told = Some((seq, *role));
                    }
                    Change::Left { user: whose, .. } if whose == user => told = None,
                    _ => {}
                }
            }
            if entries.len() < PAGE {
                return Ok(told);
            }
        }
    }
}

pub(super) fn is_busy() -> Refused {
    Refused::unavailable("room_is_busy", "The room is being changed by many at once. Try again.")
}

/// One decision, one occasion, whoever tells of it.
fn occasion_of(row: &Sanction) -> String {
    let until = row.until.map(Timestamp::millis);
    format!("{}:{until:?}:{}:{:?}", row.at.millis(), row.by, row.reason)
}

/// The commands' names in their markers.
fn command(kind: SanctionKind, on: bool) -> &'static str {
    match (kind, on) {
        (SanctionKind::Ban, true) => "banned",
        (SanctionKind::Ban, false) => "unbanned",
        (SanctionKind::Mute, true) => "muted",
        (SanctionKind::Mute, false) => "unmuted",
        (SanctionKind::Removal, _) => "removed",
    }
}
