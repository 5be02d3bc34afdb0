//! Taking a member out of a room. A row of kind `removal` stands from before the first step until after the last, so that
//! what a crash leaves is found and finished.

use super::access::room_id;
use super::members::user_in;
use super::policy::Action;
use super::{Caller, Chat, Refused, groups, view};
use crate::model::{RoomId, Sanction, SanctionKind, Timestamp, UserId, bounds};

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
        reason: Option<String>,
    ) -> Result<(), Refused> {
        let (id, user, reason) = (room_id(room)?, user_in("user", user)?, check_reason(reason)?);
        let room = self.visible(caller, &id).await?;
        let member = self.require_over(caller, &room, &user, Action::RemoveMember).await?;
        let sanction = match member {
            Some(_) => {
                let sanction = Sanction {
                    user,
                    kind: SanctionKind::Removal,
                    by: caller.user.clone(),
                    at: self.ports.clock.now(),
                    until: None,
                    reason,
                    applied: false,
                };
                self.ports.sanctions.put(&id, &sanction).await?;
                Some(sanction)
            }
            None => {
                let left = self.ports.sanctions.of(&id, &user).await?;
                left.into_iter().find(|one| one.kind == SanctionKind::Removal)
            }
        };
        match sanction {
            Some(sanction) => self.finish_removal(&id, &sanction).await,
            None => Ok(()),
        }
    }

    /// Does what is still to do of a removal. Repeatable. Who came back since it was laid on stays.
    pub(super) async fn finish_removal(&self, room: &RoomId, removal: &Sanction) -> Result<(), Refused> {
        let user = &removal.user;
        let member = self.ports.members.get(room, user).await?;
        let is_back = member.as_ref().is_some_and(|member| member.joined_at > removal.at);
        if !is_back {
            if let Some(member) = member {
                self.end_membership(room, &member, Some(&removal.by)).await?;
            }
            self.known.forget_member(room, user);
            self.expel_live(room, user).await?;
            // Who joined meanwhile is let in again: the expulsion met the connections they came with.
            if self.ports.members.get(room, user).await?.is_some() {
                self.admit_live(room, user).await?;
            } else {
                self.tell_removed(room, removal).await?;
            }
        }
        self.ports.sanctions.remove(room, removal).await?;
        self.vanish_if_empty(room, &removal.by).await
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

/// A reason within its bound; one of white space alone is none.
pub(super) fn check_reason(reason: Option<String>) -> Result<Option<String>, Refused> {
    let max = bounds::REASON_CHARS;
    if reason.as_ref().is_some_and(|text| text.chars().count() > max) {
        return Err(Refused::invalid(
            "too_long",
            "reason",
            format!("reason must be at most {max} characters."),
        ));
    }
    Ok(reason.filter(|text| !text.trim().is_empty()))
}
