//! Who is in a room: the list, and adding people to it. What is done to those who are in it is in `removal` and here.

use serde::Serialize;

use super::access::room_id;
use super::audit::Act;
use super::history::page_length;
use super::policy::{Action, Standing, is_the_creator, not_above};
use super::{Caller, Chat, Refused};
use crate::model::{Change, Member, Role, Room, RoomId, Timestamp, UserId, bounds};

/// Members looked at for one page, where only those online are asked for.
const SCAN: usize = 2_000;

/// A member as others see them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MemberView {
    pub user: UserId,
    pub role: Role,
    pub joined_at: Timestamp,
    pub online: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
    pub read_seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MemberPage {
    pub members: Vec<MemberView>,
    /// Given back as `after` for the members behind these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<UserId>,
}

/// Which members are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberQuery {
    pub after: Option<String>,
    pub limit: Option<usize>,
    pub only_online: bool,
}

impl Chat {
    /// Members by ascending user id. A page may be short while there is more: `next` tells. Members see it, and for a
    /// public room everybody where callers are believed.
    pub async fn list_members(
        &self,
        caller: &Caller,
        room: &str,
        query: &MemberQuery,
    ) -> Result<MemberPage, Refused> {
        let limit = page_length(query.limit, bounds::MEMBERS_PAGE_DEFAULT, bounds::MEMBERS_PAGE_MAX)?;
        let after = query.after.as_deref().map(|after| user_in("after", after)).transpose()?;
        let room = self.visible(caller, &room_id(room)?).await?;
        if room.is_private || !self.options.anonymous {
            self.require(caller, &room, Action::SeeMembers).await?;
            self.note_reading_as_admin(caller, &room.id).await?;
        } else if !caller.is_admin {
            self.check_not_banned(&room.id, &caller.user).await?;
        }
        let (mut members, mut scanned, mut last, mut more) = (Vec::new(), 0, after, true);
        while more && members.len() < limit && scanned < SCAN {
            let wanted = if query.only_online { bounds::MEMBERS_PAGE_MAX } else { limit };
            let rows = self.ports.members.list(&room.id, last.as_ref(), wanted).await?;
            more = rows.len() == wanted;
            scanned += rows.len();
            last = rows.last().map(|row| row.user.clone()).or(last);
            let views = self.view_members(&room, rows).await?;
            members.extend(views.into_iter().filter(|view| !query.only_online || view.online));
        }
        if members.len() > limit {
            members.truncate(limit);
            last = members.last().map(|view| view.user.clone());
            more = true;
        }
        Ok(MemberPage { members, next: last.filter(|_| more) })
    }

    async fn view_members(&self, room: &Room, rows: Vec<Member>) -> Result<Vec<MemberView>, Refused> {
        let users: Vec<_> = rows.iter().map(|row| row.user.clone()).collect();
        let (online, profiles) =
            tokio::try_join!(self.ports.leases.online(&users), self.ports.profiles.get(&users))?;
        // Profiles come in the order asked, with some left out.
        let mut profiles = profiles.into_iter().peekable();
        let view = |(row, online): (Member, bool)| {
            let profile = profiles.next_if(|profile| profile.user == row.user);
            let (display_name, avatar_url, last_seen) =
                profile.map(|of| (of.display_name, of.avatar_url, of.last_seen)).unwrap_or_default();
            MemberView {
                role: role_in(room, &row),
                joined_at: row.joined_at,
                read_seq: self.read_mark(&room.id, &row).seq,
                user: row.user,
                online,
                last_seen,
                display_name,
                avatar_url,
            }
        };
        Ok(rows.into_iter().zip(online).map(view).collect())
    }

    async fn view_member(&self, room: &Room, user: &UserId) -> Result<MemberView, Refused> {
        let row = self.ports.members.get(&room.id, user).await?.ok_or_else(member_not_found)?;
        self.view_members(room, vec![row]).await?.pop().ok_or_else(member_not_found)
    }

    /// Makes somebody else a member and admits their live connections. Changes nothing for a member, whose role stays.
    /// Only owners add others than plain members.
    pub async fn add_member(
        &self,
        caller: &Caller,
        room: &str,
        user: &str,
        role: Role,
    ) -> Result<MemberView, Refused> {
        let (id, user) = (room_id(room)?, given_user("user", user)?);
        let room = self.visible(caller, &id).await?;
        let action = if role == Role::Member { Action::AddMember } else { Action::ChangeRole };
        self.require(caller, &room, action).await?;
        self.check_not_banned(&id, &user).await?;
        if self.is_member(&id, &user).await? {
            self.let_in(&room, &user, role).await?;
        } else {
            let (target, occasion) = (Some(role.as_str().to_owned()), self.ports.ids.token());
            let act = Act { target, occasion, ..Act::on("member.add", &id, &user) };
            self.audited(caller, act, self.let_in(&room, &user, role)).await?;
        }
        self.view_member(&room, &user).await
    }

    /// Sets a member's role: owners and admins. The creator stays owner; another owner stays one but for the creator, admins
    /// and themself. Setting what is set appends nothing.
    pub async fn change_role(
        &self,
        caller: &Caller,
        room: &str,
        user: &str,
        role: Role,
    ) -> Result<MemberView, Refused> {
        let (id, user) = (room_id(room)?, user_in("user", user)?);
        let room = self.visible(caller, &id).await?;
        let standing = self.require(caller, &room, Action::ChangeRole).await?;
        let row = self.ports.members.get(&id, &user).await?.ok_or_else(member_not_found)?;
        if room.created_by == user && role != Role::Owner {
            return Err(is_the_creator());
        }
        if row.joined_seq.is_none() {
            // Told behind the change, it would say the former role.
            self.tell_joined(&id, &row).await?;
        }
        if row.role != role || self.tells_another_role(&id, &row).await? {
            if caller.user != user && !standing.is_over(Standing::of_role(row.role)) {
                return Err(not_above());
            }
            let (target, occasion) = (Some(role.as_str().to_owned()), self.ports.ids.token());
            let act = Act { target, occasion: occasion.clone(), ..Act::on("member.role", &id, &user) };
            self.audited(caller, act, self.give_role(caller, &id, &user, role, &occasion)).await?;
        }
        self.view_member(&room, &user).await
    }

    /// The entry first: a crash behind it leaves the row as it was, and a repeat says the same once more.
    async fn give_role(
        &self,
        caller: &Caller,
        room: &RoomId,
        user: &UserId,
        role: Role,
        occasion: &str,
    ) -> Result<(), Refused> {
        let change = Change::RoleChanged { user: user.clone(), role, by: caller.user.clone() };
        let told = self.append_change(room, user, "role_changed", occasion, change).await?;
        let seq = told.ok_or_else(Refused::room_not_found)?.seq;
        if self.follow_role(room, user, role, seq).await? { Ok(()) } else { Err(member_not_found()) }
    }
}

/// A room's creator is its owner, whatever the row says.
pub(super) fn role_in(room: &Room, member: &Member) -> Role {
    if room.created_by == member.user { Role::Owner } else { member.role }
}

/// One who is to come, whose id has to be one that is taken today.
pub(super) fn given_user(field: &'static str, text: &str) -> Result<UserId, Refused> {
    UserId::given(text).map_err(|error| Refused::bad_id(field, &error))
}

/// The user that a request names.
pub(super) fn user_in(field: &'static str, text: &str) -> Result<UserId, Refused> {
    UserId::new(text).map_err(|error| Refused::bad_id(field, &error))
}

/// `owner`, `moderator` or `member`.
pub fn role_named(text: &str) -> Result<Role, Refused> {
    match text {
        "member" => Ok(Role::Member),
        "moderator" => Ok(Role::Moderator),
        "owner" => Ok(Role::Owner),
        _ => Err(Refused::invalid("invalid_role", "role", "role must be member, moderator or owner.")),
    }
}

fn member_not_found() -> Refused {
    Refused::not_found("member_not_found", "The room has no such member.")
}
