//! A user's live connections follow the row of the membership. Whoever changed a row comes here afterwards, and the row is
//! looked at again behind each move: of two who come at once, one sees what the other changed.

use super::command::Failure;
use super::{Chat, Ports, Refused, groups};
use crate::model::{Role, Room, RoomId, UserId};
use crate::ports::StoreError;

/// The room's, for one user.
struct Door {
    ports: Ports,
    room: RoomId,
    user: UserId,
}

impl Chat {
    /// Makes the user a member and lets their live connections in. Refuses where the membership was ended meanwhile.
    pub(super) async fn let_in(&self, room: &Room, user: &UserId, role: Role) -> Result<(), Refused> {
        self.make_member(room, user, role).await?;
        if self.settle_live(&room.id, user).await? {
            return Ok(());
        }
        if self.ports.log.head(&room.id.conversation()).await?.is_none_or(|head| head.closed) {
            return Err(Refused::room_not_found());
        }
        self.check_not_banned(&room.id, user).await?;
        Err(Refused::forbidden("not_a_member", "The membership was ended meanwhile."))
    }

    /// Puts the user's live connections in or takes them out, as the membership's row wants it. Answers whether the user is
    /// a member. A task of its own does it to the end, also when nobody waits any more.
    pub(super) async fn settle_live(&self, room: &RoomId, user: &UserId) -> Result<bool, Refused> {
        let door = Door { ports: self.ports.clone(), room: room.clone(), user: user.clone() };
        let settled = tokio::spawn(async move { door.settle().await }).await;
        settled.unwrap_or_else(|_| Err(Failure::Stopped.into()))
    }

    pub(super) async fn is_member(&self, room: &RoomId, user: &UserId) -> Result<bool, Refused> {
        Ok(self.ports.members.get(room, user).await?.is_some())
    }
}

impl Door {
    async fn settle(&self) -> Result<bool, Refused> {
        let mut is_member = self.is_member().await?;
        loop {
            let moved = self.pass(is_member).await;
            let now = self.is_member().await?;
            if now == is_member {
                return moved.map(|()| now);
            }
            is_member = now;
        }
    }

    async fn pass(&self, inwards: bool) -> Result<(), Refused> {
        let leases = self.ports.leases.of(&self.user).await?;
        let connections: Vec<_> = leases.into_iter().map(|lease| lease.connection).collect();
        let (transport, group) = (&self.ports.transport, groups::room(&self.room));
        let passed = if inwards {
            transport.admit(&self.user, &group, &connections).await
        } else {
            transport.expel(&self.user, &group, &connections).await
        };
        Ok(passed?)
    }

    async fn is_member(&self) -> Result<bool, StoreError> {
        Ok(self.ports.members.get(&self.room, &self.user).await?.is_some())
    }
}
