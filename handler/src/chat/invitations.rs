//! Ways into a room that its members open: to a user by name, or to whoever has the token of a link.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::access::room_id;
use super::audit::Act;
use super::history::page_length;
use super::members::given_user;
use super::policy::Action;
use super::rooms::ALLOWED_USERS;
use super::{Caller, Chat, Refused, RoomView, groups, view};
use crate::model::{Invitation, Role, Room, RoomId, Timestamp, UserId, bounds};
use crate::ports::Redeemed;

const DAY: u64 = 24 * 60 * 60;
/// How long a link lives when nobody says, and at most, in seconds.
const LIFE: u64 = 7 * DAY;
const LONGEST_LIFE: u64 = 90 * DAY;
/// Invitations of a page, default and maximum.
const PAGE: usize = 100;
/// Memberships looked up at once.
const LOOKED_UP_AT_ONCE: usize = 16;
/// A token's length, more than enough; longer ones are nobody's.
const TOKEN_BYTES: usize = 128;

/// A link as somebody wants it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NewInvitation {
    /// Seconds from now.
    pub expires_in: Option<u64>,
    pub max_uses: Option<u64>,
    pub role: Role,
}

/// A new link. Its token is shown here and never again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Issued {
    pub id: String,
    pub token: String,
    pub expires_at: Timestamp,
    pub max_uses: u32,
}

/// A link as those who may invite see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InvitationView {
    pub id: String,
    pub by: UserId,
    pub role: Role,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub max_uses: u32,
    /// Users it has let in.
    pub uses: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InvitationPage {
    pub invitations: Vec<InvitationView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What an invited user is told on every connection.
#[derive(Serialize)]
struct Notice<'a> {
    r#type: &'static str,
    room_id: &'a RoomId,
    room_name: &'a str,
    by: &'a UserId,
}

impl Chat {
    /// Lets a user join a private room, and tells them. Changes nothing where they may already.
    pub async fn invite_user(&self, caller: &Caller, room: &str, user: &str) -> Result<UserId, Refused> {
        let (id, user) = (room_id(room)?, given_user("user", user)?);
        let found = self.visible(caller, &id).await?;
        self.require(caller, &found, Action::Invite).await?;
        self.check_not_banned(&id, &user).await?;
        let is_full = found.allowed_users.len() >= ALLOWED_USERS;
        let inside =
            if is_full { self.members_among(&id, &found.allowed_users).await? } else { HashSet::new() };
        let allow = |room: &Room| {
            let mut room = room.clone();
            if room.allowed_users.contains(&user) {
                return Ok(room);
            }
            // Who came in needs no leave to.
            room.allowed_users.retain(|allowed| !inside.contains(allowed));
            if room.allowed_users.len() >= ALLOWED_USERS {
                return Err(too_many_invited());
            }
            room.allowed_users.push(user.clone());
            Ok(room)
        };
        let act = Act::on("member.invite", &id, &user);
        let room = self.update_room(caller, &id, Action::Invite, act, allow).await?;
        let notice = Notice { r#type: "invited", room_id: &id, room_name: &room.name, by: &caller.user };
        self.ports.transport.publish(&groups::user(&user), view::encode(&notice), &[]).await?;
        Ok(user)
    }

    async fn members_among(&self, room: &RoomId, users: &[UserId]) -> Result<HashSet<UserId>, Refused> {
        let looks: Vec<_> = users.iter().map(|user| self.ports.members.get(room, user)).collect();
        let rows: Vec<_> = stream::iter(looks).buffered(LOOKED_UP_AT_ONCE).try_collect().await?;
        Ok(rows.into_iter().flatten().map(|row| row.user).collect())
    }

    /// Makes a link. A repeat makes another one: the token of the first went with its answer.
    pub async fn create_invitation(
        &self,
        caller: &Caller,
        room: &str,
        new: NewInvitation,
    ) -> Result<Issued, Refused> {
        let room = self.visible(caller, &room_id(room)?).await?;
        self.require(caller, &room, action_of(new.role)).await?;
        if !self.may_invite(&caller.user, &room, new.role).await? {
            let sentence =
                "A link serves as long as its maker may make it as a member of the room. Join first.";
            return Err(Refused::forbidden("not_a_member", sentence));
        }
        let token = self.ports.ids.token();
        let created_at = self.ports.clock.now();
        let invitation = Invitation {
            id: id_of(&token),
            room: room.id.clone(),
            by: caller.user.clone(),
            created_at,
            expires_at: new.expires_at(created_at)?,
            max_uses: new.max_uses()?,
            used_by: Vec::new(),
            role: new.role,
        };
        let act = Act { target: Some(invitation.id.clone()), ..Act::in_room("invitation.create", &room.id) };
        self.audited(caller, act, async { Ok(self.ports.invitations.create(&invitation).await?) }).await?;
        let Invitation { id, expires_at, max_uses, .. } = invitation;
        Ok(Issued { id, token, expires_at, max_uses })
    }

    /// A room's links by id, expired ones too.
    pub async fn list_invitations(
        &self,
        caller: &Caller,
        room: &str,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<InvitationPage, Refused> {
        let limit = page_length(limit, PAGE, PAGE)?;
        let room = self.visible(caller, &room_id(room)?).await?;
        self.require(caller, &room, Action::Invite).await?;
        let rows = self.ports.invitations.list(&room.id, after, limit).await?;
        let next = rows.last().filter(|_| rows.len() == limit).map(|row| row.id.clone());
        Ok(InvitationPage { invitations: rows.into_iter().map(InvitationView::from).collect(), next })
    }

    /// Makes a link good for nobody from now on. Whom it let in stays. Revoking needs no link to be there, so a repeat is
    /// harmless.
    pub async fn revoke_invitation(&self, caller: &Caller, room: &str, id: &str) -> Result<(), Refused> {
        let room = self.visible(caller, &room_id(room)?).await?;
        self.require(caller, &room, Action::Invite).await?;
        if self.ports.invitations.get(id).await?.is_none_or(|there| there.room != room.id) {
            return Ok(());
        }
        let act = Act { target: Some(id.to_owned()), ..Act::in_room("invitation.revoke", &room.id) };
        let revoke =
            async { self.ports.invitations.revoke(&room.id, id).await.map(drop).map_err(Refused::from) };
        self.audited(caller, act, revoke).await
    }

    /// Whether a link of theirs serves: who lost the right to make it has lost it for the links they made. Who is an admin by
    /// a claim is not known to be one when others come, so in this they are what the room makes of them.
    async fn may_invite(&self, maker: &UserId, room: &Room, role: Role) -> Result<bool, Refused> {
        if self.admins.contains(maker) {
            return Ok(true);
        }
        if !self.standing_among_members(maker, room).await?.may(action_of(role)) {
            return Ok(false);
        }
        // A ban that is being laid on may not have come as far as the membership.
        Ok(self.ban(&room.id, maker).await?.is_none())
    }

    /// Joins the room of a link, as long as who made it may. A repeat changes nothing. The link's role comes with the first
    /// time alone: who comes again may have lost it since.
    pub async fn accept_invitation(&self, caller: &Caller, token: &str) -> Result<RoomView, Refused> {
        if token.is_empty() || token.len() > TOKEN_BYTES {
            return Err(unknown());
        }
        let id = id_of(token);
        let found = self.ports.invitations.get(&id).await?.ok_or_else(unknown)?;
        let room = self.known.room(&found.room, Duration::ZERO).await?.ok_or_else(unknown)?;
        // Of two at once one brings the role, and the other finds the member.
        let _turn = self.turns.take(&room.id).await;
        // Before the link is used: who is kept out, or in already, uses nothing up.
        self.check_not_banned(&room.id, &caller.user).await?;
        let role = if self.is_member(&room.id, &caller.user).await? {
            Role::Member
        } else {
            if !self.may_invite(&found.by, &room, found.role).await? {
                return Err(withdrawn());
            }
            self.redeem(&id, &caller.user).await?
        };
        let enter = self.let_in(&room, &caller.user, role);
        if role == Role::Member {
            enter.await?;
        } else {
            // Comes with more rights than anybody gives themself.
            let (target, occasion) = (Some(role.as_str().to_owned()), self.ports.ids.token());
            let act = Act { target, occasion, ..Act::on("member.role", &room.id, &caller.user) };
            self.audited(caller, act, enter).await?;
        }
        self.view_room(&room).await
    }

    /// Uses the link; answers what it makes of the user.
    async fn redeem(&self, id: &str, user: &UserId) -> Result<Role, Refused> {
        let before = self.ports.invitations.get(id).await?.ok_or_else(unknown)?;
        let now = self.ports.clock.now();
        let invitation = match self.ports.invitations.redeem(id, user, now).await? {
            Redeemed::Yes(invitation) => invitation,
            Redeemed::Unknown => return Err(unknown()),
            Redeemed::Expired => {
                return Err(Refused::conflict("invitation_expired", "The invitation has expired."));
            }
            Redeemed::UsedUp => {
                return Err(Refused::conflict("invitation_used_up", "The invitation has been used up."));
            }
        };
        let was_in = before.used_by.contains(user);
        Ok(if was_in { Role::Member } else { invitation.role })
    }
}

impl NewInvitation {
    fn expires_at(self, now: Timestamp) -> Result<Timestamp, Refused> {
        let seconds = self.expires_in.unwrap_or(LIFE);
        if !(1..=LONGEST_LIFE).contains(&seconds) {
            let sentence = format!("expires_in must be 1 to {LONGEST_LIFE} seconds.");
            return Err(Refused::invalid("invalid_field", "expires_in", sentence));
        }
        Ok(Timestamp::from_millis(now.millis() + seconds * 1000))
    }

    fn max_uses(self) -> Result<u32, Refused> {
        let max = bounds::INVITATION_USES;
        let uses = u32::try_from(self.max_uses.unwrap_or(1)).unwrap_or(u32::MAX);
        if (1..=max).contains(&uses) {
            return Ok(uses);
        }
        Err(Refused::invalid("invalid_field", "max_uses", format!("max_uses must be 1 to {max}.")))
    }
}

impl From<Invitation> for InvitationView {
    fn from(row: Invitation) -> Self {
        Self {
            id: row.id,
            by: row.by,
            role: row.role,
            created_at: row.created_at,
            expires_at: row.expires_at,
            max_uses: row.max_uses,
            uses: row.used_by.len(),
        }
    }
}

/// What it takes to let somebody in as this.
fn action_of(role: Role) -> Action {
    if role == Role::Member { Action::Invite } else { Action::ChangeRole }
}

/// What is stored of a token: whoever reads the store cannot use it.
fn id_of(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

fn too_many_invited() -> Refused {
    let sentence = format!("{ALLOWED_USERS} users are invited and have not come yet.");
    Refused { field: Some("user"), ..Refused::conflict("too_many_invited", sentence) }
}

fn withdrawn() -> Refused {
    Refused::conflict("invitation_withdrawn", "Who made the invitation may not invite to the room any more.")
}

fn unknown() -> Refused {
    Refused::not_found("invitation_unknown", "There is no such invitation, or none any more.")
}
