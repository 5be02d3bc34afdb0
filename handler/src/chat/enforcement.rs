//! What follows from a ban once its row stands, and the rows that nobody comes back to: those a crash left half done,
//! and those that are over.

use super::{Chat, Kind, Refused};
use crate::model::{RoomId, Sanction, SanctionKind};

/// Sanctions finished in one run of the repair, and those forgotten.
const AT_ONCE: usize = 100;
const FORGOTTEN: usize = 500;

impl Chat {
    /// The row stands already, so nobody can become a member behind this.
    pub(super) async fn take_out_banned(&self, room: &RoomId, ban: &Sanction) -> Result<(), Refused> {
        let member = self.ports.members.get(room, &ban.user).await?;
        // Who came back after the ban's end has nothing to do with it any more.
        let is_back = |joined_at| ban.until.is_some_and(|until| joined_at >= until);
        if let Some(member) = member.filter(|member| !is_back(member.joined_at)) {
            self.end_membership(room, &member, Some(&ban.by)).await?;
        }
        self.expel_live(room, &ban.user).await?;
        // A row that is there while the ban stands is about to go; who came back because it was lifted is let in again.
        if self.check_not_banned(room, &ban.user).await.is_ok() {
            self.settle_live(room, &ban.user).await?;
        }
        self.vanish_if_empty(room, &ban.by).await
    }

    /// Finishes what a crash left half done. One that cannot be finished keeps nobody waiting: the next run goes on behind
    /// the last one of this, and begins anew at the end.
    pub(super) async fn finish_sanctions(&self) -> Result<usize, Refused> {
        let mut finished = self.finished_up_to.lock().await;
        let after = finished.as_ref().map(|(room, row)| (room, row));
        let rows = self.ports.sanctions.unapplied(after, AT_ONCE).await?;
        *finished = rows.last().filter(|_| rows.len() == AT_ONCE).cloned();
        let mut outcome = Ok(rows.len());
        for (room, row) in &rows {
            let done = match row.kind {
                SanctionKind::Ban | SanctionKind::Mute => self.apply(room, row).await,
                SanctionKind::Removal => self.finish_removal(room, row).await,
            };
            if let Err(refused) = done
                && refused.kind != Kind::NotFound
            {
                outcome = Err(refused);
            }
        }
        outcome
    }

    /// Removes the rows of those that are over. The room's log needs no word of it: their entries said until when.
    pub(super) async fn forget_expired(&self) -> Result<usize, Refused> {
        let rows = self.ports.sanctions.expired(self.ports.clock.now(), FORGOTTEN).await?;
        for (room, row) in &rows {
            self.ports.sanctions.remove(room, row).await?;
        }
        Ok(rows.len())
    }
}
