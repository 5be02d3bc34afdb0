//! Taking a member out of a room, and leaving it. A row of kind `removal` stands from before the first step until after the last, so that
//! what a crash leaves is found and finished.

use super::access::room_id;
use super::audit::Act;
use super::edits::check_reason;
use super::members::user_in;
use super::policy::Action;
use super::{Caller, Chat, Refused, groups, view};
use crate::model::{Member, RoomId, Sanction, SanctionKind, Timestamp, UserId};

/// What the removed user is told on every connection.
#[derive(serde::Serialize)]
struct Notice<'a> {
    r#type: &'static str,
    room_id: &'a RoomId,
    by: &'a UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    timestamp: Timestamp,
}

impl Chat {
    /// Takes a user out of a room; they may come back. Changes nothing for a non-member, but finishes a removal that was
    /// left half done.
    pub async fn remove_member(
        &self,
        caller: &Caller,
        room: &str,
        user: &str,
        reason: Option<&str>,
    ) -> Result<(), Refused> {
        let (id, user, reason) = (room_id(room)?, user_in("user", user)?, check_reason(reason)?);
        let room = self.visible(caller, &id).await?;
        let member = self.require_over(caller, &room, &user, Action::RemoveMember).await?;
        let Some(member) = member else {
            return match self.removal_under_way(&id, &user).await? {
                Some(removal) => self.finish_removal(&id, &removal).await,
                None => Ok(()),
            };
        };
        // A membership ends once.
        let occasion = format!("{}:{}", member.joined_at, member.since);
        let act = Act { reason: reason.clone(), occasion, ..Act::on("member.remove", &id, &user) };
        let remove = async {
            let removal = self.note_removal(&id, &member, &caller.user, reason).await?;
            self.finish_removal(&id, &removal).await
        };
        self.audited(caller, act, remove).await
    }

    /// Writes down that this membership ends; the member's own doing where they leave.
    pub(super) async fn note_removal(
        &self,
        room: &RoomId,
        member: &Member,
        by: &UserId,
        reason: Option<String>,
    ) -> Result<Sanction, Refused> {
        let joined_seq = match member.joined_seq {
            Some(seq) => seq,
            None => self.tell_joined(room, member).await?,
        };
        let removal = Sanction {
            user: member.user.clone(),
            kind: SanctionKind::Removal,
            by: by.clone(),
            at: self.ports.clock.now(),
            until: None,
            reason,
            ends: Some(joined_seq),
            applied: false,
        };
        self.ports.sanctions.put(room, &removal).await?;
        Ok(removal)
    }

    /// What a crash left, or somebody is doing just now.
    pub(super) async fn removal_under_way(
        &self,
        room: &RoomId,
        user: &UserId,
    ) -> Result<Option<Sanction>, Refused> {
        let rows = self.ports.sanctions.of(room, user).await?;
        Ok(rows.into_iter().find(|row| row.kind == SanctionKind::Removal))
    }

    /// Does what is still to do of a removal. Repeatable. Who came back since it was laid on stays.
    pub(super) async fn finish_removal(&self, room: &RoomId, removal: &Sanction) -> Result<(), Refused> {
        let user = &removal.user;
        let is_leaving = removal.by == *user;
        let member = self.ports.members.get(room, user).await?;
        if let Some(member) = member.filter(|member| removal.ends(member)) {
            self.end_membership(room, &member, Some(&removal.by).filter(|_| !is_leaving)).await?;
        }
        self.known.forget_member(room, user);
        if !self.settle_live(room, user).await? && !is_leaving {
            self.tell_removed(room, removal).await?;
        }
        self.vanish_if_empty(room, &removal.by).await?;
        self.ports.sanctions.remove(room, removal).await?;
        Ok(())
    }

    async fn tell_removed(&self, room: &RoomId, removal: &Sanction) -> Result<(), Refused> {
        let notice = Notice {
            r#type: "removed",
            room_id: room,
            by: &removal.by,
            reason: removal.reason.as_deref(),
            timestamp: removal.at,
        };
        let frame = view::encode(&notice);
        Ok(self.ports.transport.publish(&groups::user(&removal.user), frame, &[]).await?)
    }
}
