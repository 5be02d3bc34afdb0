//! Who is kept out of a room.

use super::{Chat, Refused};
use crate::model::{RoomId, SanctionKind, UserId};

impl Chat {
    /// Refuses a user whom a ban in force keeps out of the room. Every way in asks here.
    pub(super) async fn check_not_banned(&self, room: &RoomId, user: &UserId) -> Result<(), Refused> {
        let now = self.ports.clock.now();
        let sanctions = self.ports.sanctions.of(room, user).await?;
        if sanctions.iter().any(|one| one.kind == SanctionKind::Ban && one.is_in_force(now)) {
            return Err(Refused::forbidden("banned", "This room is closed to the user by a ban."));
        }
        Ok(())
    }
}
