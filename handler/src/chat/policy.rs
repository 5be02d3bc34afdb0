//! Who may do what. In a room: one table of standing × action, which every use case asks that needs more than being able to
//! see the room. In the deployment: what admins alone may, and what is everybody's own.

use super::{Caller, Chat, Refused};
use crate::model::{Member, Role, Room, UserId};
use crate::ports::StoreError;

/// What somebody is in a room, ascending in what they may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    Outsider,
    Member,
    Moderator,
    Owner,
    /// The owner whose room it is. Others may be made owners, and this one stays.
    Creator,
    /// Not of the room: of the deployment.
    Admin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    SeeMembers,
    Pin,
    AddMember,
    Invite,
    RemoveMember,
    Sanction,
    DeleteOthersMessage,
    /// Looks at what is held or was reported, and decides.
    Review,
    /// What the room wants of its messages: words, links.
    SetRules,
    ChangeRoom,
    ChangeRole,
}

impl Standing {
    pub(super) fn of_role(role: Role) -> Self {
        match role {
            Role::Member => Self::Member,
            Role::Moderator => Self::Moderator,
            Role::Owner => Self::Owner,
        }
    }

    pub(super) fn may(self, action: Action) -> bool {
        let least = match action {
            Action::SeeMembers => Self::Member,
            Action::Pin
            | Action::AddMember
            | Action::Invite
            | Action::RemoveMember
            | Action::Sanction
            | Action::DeleteOthersMessage
            | Action::Review
            | Action::SetRules => Self::Moderator,
            Action::ChangeRoom | Action::ChangeRole => Self::Owner,
        };
        self >= least
    }

    /// Whether the one may be removed, banned or muted by the other, or lose their ownership to them. Nobody acts so
    /// against their like or those above, so two owners leave each other alone, and nobody at all against the creator or an
    /// admin: a room's creator cannot be driven out of it, its deletion is all that an admin has.
    pub(super) fn is_over(self, other: Self) -> bool {
        self > other && !matches!(other, Self::Creator | Self::Admin)
    }
}

/// What is the deployment's and no room's: letters, the audit, reviews of direct messages.
pub(super) fn require_admin(caller: &Caller) -> Result<(), Refused> {
    if caller.is_admin { Ok(()) } else { Err(Refused::admins_only()) }
}

/// What is one person's: their sessions, their data.
pub(super) fn require_self_or_admin(caller: &Caller, whose: &UserId) -> Result<(), Refused> {
    if caller.user == *whose { Ok(()) } else { require_admin(caller) }
}

impl Chat {
    /// The caller's standing as the store has it now. A room's creator who is a member is its owner, whatever the row says.
    pub(super) async fn standing(&self, caller: &Caller, room: &Room) -> Result<Standing, StoreError> {
        if caller.is_admin {
            return Ok(Standing::Admin);
        }
        self.standing_among_members(&caller.user, room).await
    }

    /// What the room alone makes of somebody.
    pub(super) async fn standing_among_members(
        &self,
        user: &UserId,
        room: &Room,
    ) -> Result<Standing, StoreError> {
        Ok(match self.ports.members.get(&room.id, user).await? {
            None => Standing::Outsider,
            Some(_) if room.created_by == *user => Standing::Creator,
            Some(member) => Standing::of_role(member.role),
        })
    }

    /// The caller's standing, if it permits the action. The caller must be known to see the room.
    pub(super) async fn require(
        &self,
        caller: &Caller,
        room: &Room,
        action: Action,
    ) -> Result<Standing, Refused> {
        let standing = self.standing(caller, room).await?;
        if standing.may(action) {
            return Ok(standing);
        }
        Err(match standing {
            Standing::Outsider => Refused::forbidden("not_a_member", "Only members of the room may do this."),
            _ => Refused::forbidden("not_permitted", "Your role in the room does not permit this."),
        })
    }

    /// The caller's right to do the action to this user; see [`Standing::is_over`]. The member's row, where the user is one.
    pub(super) async fn require_over(
        &self,
        caller: &Caller,
        room: &Room,
        user: &UserId,
        action: Action,
    ) -> Result<Option<Member>, Refused> {
        let standing = self.require(caller, room, action).await?;
        if caller.user == *user {
            return Err(against("not_yourself", "Nobody does this to themself."));
        }
        let target = self.ports.members.get(&room.id, user).await?;
        let theirs = match &target {
            // Also when they are not there: they may come back.
            _ if room.created_by == *user => return Err(is_the_creator()),
            _ if self.admins.contains(user) => Standing::Admin,
            Some(member) => Standing::of_role(member.role),
            None => Standing::Outsider,
        };
        if standing.is_over(theirs) { Ok(target) } else { Err(not_above()) }
    }
}

pub(super) fn is_the_creator() -> Refused {
    against("is_the_creator", "The room's creator stays its owner.")
}

pub(super) fn not_above() -> Refused {
    against("not_permitted", "The user's role in the room is not below yours.")
}

/// A refusal for whom the request names.
fn against(code: &'static str, sentence: &'static str) -> Refused {
    Refused { field: Some("user"), ..Refused::forbidden(code, sentence) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_standing_and_action() {
        use Action::*;
        use Standing::*;
        let all = [
            SeeMembers,
            Pin,
            AddMember,
            Invite,
            RemoveMember,
            Sanction,
            DeleteOthersMessage,
            Review,
            SetRules,
            ChangeRoom,
            ChangeRole,
        ];
        let permitted = |standing: Standing| -> Vec<Action> {
            all.into_iter().filter(|action| standing.may(*action)).collect()
        };
        assert_eq!(permitted(Outsider), []);
        assert_eq!(permitted(Member), [SeeMembers]);
        assert_eq!(
            permitted(Moderator),
            [
                SeeMembers,
                Pin,
                AddMember,
                Invite,
                RemoveMember,
                Sanction,
                DeleteOthersMessage,
                Review,
                SetRules
            ]
        );
        for standing in [Owner, Creator, Admin] {
            assert_eq!(permitted(standing), all);
        }
    }

    #[test]
    fn what_is_of_no_room_is_for_admins_and_what_is_ones_own_for_oneself_too() {
        let [ann, bob] = ["ann", "bob"].map(|name| UserId::new(name).unwrap());
        let caller = Caller::request(ann.clone());
        let admin = Caller { is_admin: true, ..caller.clone() };
        assert_eq!(require_admin(&caller), Err(Refused::admins_only()));
        assert_eq!(require_admin(&admin), Ok(()));
        assert_eq!(require_self_or_admin(&caller, &ann), Ok(()));
        assert_eq!(require_self_or_admin(&caller, &bob), Err(Refused::admins_only()));
        assert_eq!(require_self_or_admin(&admin, &bob), Ok(()));
    }

    #[test]
    fn the_table_of_who_is_over_whom() {
        use Standing::*;
        let all = [Outsider, Member, Moderator, Owner, Creator, Admin];
        let below = |standing: Standing| -> Vec<Standing> {
            all.into_iter().filter(|other| standing.is_over(*other)).collect()
        };
        assert_eq!(below(Outsider), []);
        assert_eq!(below(Member), [Outsider]);
        assert_eq!(below(Moderator), [Outsider, Member]);
        assert_eq!(below(Owner), [Outsider, Member, Moderator], "owners leave each other alone");
        assert_eq!(below(Creator), [Outsider, Member, Moderator, Owner]);
        assert_eq!(below(Admin), [Outsider, Member, Moderator, Owner], "not the creator, not another admin");
    }
}
