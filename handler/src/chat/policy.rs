//! Who may do what in a room: one table of standing × action. Every use case that needs more than being able to see the
//! room asks here.

use super::{Caller, Chat, Refused};
use crate::model::{Role, Room};
use crate::ports::StoreError;

/// What a caller is in a room, ascending in what they may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    Outsider,
    Member,
    Moderator,
    Owner,
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
            | Action::DeleteOthersMessage => Self::Moderator,
            Action::ChangeRoom | Action::ChangeRole => Self::Owner,
        };
        self >= least
    }
}

impl Chat {
    /// The caller's standing as the store has it now. A room's creator who is a member is its owner, whatever the row says.
    pub(super) async fn standing(&self, caller: &Caller, room: &Room) -> Result<Standing, StoreError> {
        if caller.is_admin {
            return Ok(Standing::Admin);
        }
        Ok(match self.ports.members.get(&room.id, &caller.user).await? {
            None => Standing::Outsider,
            Some(_) if room.created_by == caller.user => Standing::Owner,
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
            [SeeMembers, Pin, AddMember, Invite, RemoveMember, Sanction, DeleteOthersMessage]
        );
        assert_eq!(permitted(Owner), all);
        assert_eq!(permitted(Admin), all);
    }
}
