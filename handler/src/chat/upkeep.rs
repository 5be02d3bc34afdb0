//! A walk through all conversations, some in each round: what is older than it may be goes, and so does what crashes left of
//! rooms that are gone.

use std::collections::{BTreeMap, BTreeSet};

use super::{Chat, Refused};
use crate::model::{
    Change, ConversationId, Desk, Entry, Head, Marker, Room, RoomId, SanctionKind, UserId, bounds,
};
use crate::ports::{InboxKey, LetterKind};

/// Conversations of one round.
const IN_A_ROUND: usize = 200;
/// Rows read at once.
const PAGE: usize = 200;
/// Pages of one conversation that a round lets go. The next lap goes on with the rest.
const PAGES: usize = 25;
/// Handled events that go in one call.
const FORGOTTEN: usize = 1_000;
/// How long an expired invitation is still told from one that never was.
const INVITATION_DAYS: u64 = 30;
/// A deletion so young may be under way.
const UNDER_WAY_MILLIS: u64 = 60_000;
/// Entries looked at for a change of role that a crash kept from its row.
const LATELY: u64 = 200;

impl Chat {
    /// One round. One conversation that cannot be seen to does not keep the others: the walk goes on behind it, and comes
    /// back.
    pub(super) async fn walk_conversations(&self) -> Result<usize, Refused> {
        let mut walked = self.walked_up_to.lock().await;
        let ids = self.ports.log.conversations(walked.as_ref(), IN_A_ROUND).await?;
        let is_last = ids.len() < IN_A_ROUND;
        let mut outcome = Ok(0);
        for id in ids {
            match self.see_to(&id).await {
                Ok(count) => outcome = outcome.map(|sum| sum + count),
                Err(refused) => outcome = Err(refused),
            }
            *walked = Some(id);
        }
        if is_last {
            *walked = None;
        }
        outcome
    }

    /// Answers how much there was to put right.
    async fn see_to(&self, id: &ConversationId) -> Result<usize, Refused> {
        let Some(head) = self.ports.log.head(id).await? else { return Ok(0) };
        let Some(room_id) = id.room() else {
            return self.let_go(id, &head, self.options.retention_days).await;
        };
        let room = self.ports.rooms.get(&room_id).await?;
        if head.closed {
            let cleared = self.clear_remains(&room_id, room.as_ref(), &head).await?;
            return Ok(cleared + self.let_go(id, &head, self.options.retention_days).await?);
        }
        let Some(room) = room else { return Ok(0) };
        let days = shorter(room.retention_days, self.options.retention_days);
        let gone = self.let_go(id, &head, days).await?;
        let reviewed = self.forget_reviews(&Desk::Room(room_id.clone()), days).await?;
        let forgotten = self.forget_invitations(&room_id).await?;
        let followed = self.follow_roles(&room_id, &head).await?;
        Ok(gone + reviewed + forgotten + followed)
    }

    /// Raises the floor over what is older than so many days, and removes it. What waits in an inbox goes before its
    /// message does. Of a deleted room its end stays.
    async fn let_go(&self, id: &ConversationId, head: &Head, days: Option<u32>) -> Result<usize, Refused> {
        let Some(days) = days else { return Ok(0) };
        let before = self.ports.clock.now().days_before(u64::from(days));
        let last = head.seq.saturating_sub(u64::from(head.closed));
        let mut floor = head.floor;
        let first =
            self.ports.log.entries(id, floor, 1).await?.and_then(|page| page.entries.into_iter().next());
        if first.is_none_or(|entry| entry.at >= before) {
            return Ok(0);
        }
        for _ in 0..PAGES {
            let Some(page) = self.ports.log.entries(id, floor, PAGE).await? else { break };
            let is_full = page.entries.len() == PAGE;
            let old: Vec<_> =
                page.entries.into_iter().take_while(|entry| entry.at < before && entry.seq <= last).collect();
            let Some(top) = old.last().map(|entry| entry.seq) else { break };
            self.clear_inboxes(id, &old).await?;
            let is_whole = old.len() == PAGE;
            floor = top;
            if !(is_full && is_whole) {
                break;
            }
        }
        if floor > head.floor {
            self.drop_attachments_in(id, floor).await?;
            self.ports.log.trim(id, floor).await?;
        }
        Ok(usize::try_from(floor - head.floor).unwrap_or(usize::MAX))
    }

    /// Marks as done what these messages left in inboxes, which takes their content out.
    pub(super) async fn clear_inboxes(&self, id: &ConversationId, entries: &[Entry]) -> Result<(), Refused> {
        let mut keys: BTreeMap<&UserId, Vec<String>> = BTreeMap::new();
        for entry in entries {
            if let Change::Message(message) = &entry.change
                && let Some(to) = &message.to
            {
                let marker = Marker::new(id, &message.sender, &message.id);
                keys.entry(to).or_default().push(InboxKey { at: entry.at, marker }.to_text());
            }
        }
        for (receiver, keys) in keys {
            self.ports.inbox.acknowledge(receiver, &keys).await?;
        }
        Ok(())
    }

    /// What a deletion that was broken off has left: the room's row, or members, sanctions and links of a room that is gone.
    /// A room that was opened anew under the id, and has not told of itself yet, is left alone.
    async fn clear_remains(&self, id: &RoomId, room: Option<&Room>, head: &Head) -> Result<usize, Refused> {
        let last = self.ports.log.entries(&id.conversation(), head.seq.saturating_sub(1), 1).await?;
        let Some(end) = last.and_then(|page| page.entries.into_iter().next()) else { return Ok(0) };
        let age = self.ports.clock.now().millis().saturating_sub(end.at.millis());
        if age < UNDER_WAY_MILLIS {
            return Ok(0);
        }
        match room {
            Some(room) if room.created_at <= end.at => {
                self.clear_room(room, head.seq).await?;
                Ok(1)
            }
            Some(_) => Ok(0),
            None => self.clear_orphans(id, head.seq).await,
        }
    }

    async fn clear_orphans(&self, room: &RoomId, closed_at: u64) -> Result<usize, Refused> {
        let (mut after, mut count): (Option<UserId>, usize) = (None, 0);
        loop {
            let members = self.ports.members.list(room, after.as_ref(), PAGE).await?;
            after = members.last().map(|member| member.user.clone());
            for member in members.iter().filter(|row| row.joined_seq.unwrap_or(row.since) < closed_at) {
                self.expel_live(room, &member.user).await?;
                self.ports.members.remove(room, member).await?;
                self.known.forget_member(room, &member.user);
                count += 1;
            }
            if members.len() < PAGE {
                break;
            }
        }
        let mut decided = self.ports.invitations.list(room, None, 1).await?.len();
        for kind in [SanctionKind::Ban, SanctionKind::Mute, SanctionKind::Removal] {
            decided += self.ports.sanctions.list(room, kind, None, 1).await?.len();
        }
        decided += self.ports.reviews.all(&Desk::Room(room.clone()), None, 1).await?.len();
        // Somebody may have opened the id meanwhile.
        if decided > 0 && self.ports.rooms.get(room).await?.is_none() {
            self.forget_decisions(room).await?;
        }
        Ok(count + decided)
    }

    /// Messages that reached no log are kept no longer than those that did. Oldest first, so some in each round.
    pub(super) async fn drop_old_letters(&self) -> Result<usize, Refused> {
        let Some(days) = self.options.retention_days else { return Ok(0) };
        let before = self.ports.clock.now().days_before(u64::from(days));
        let mut count = 0;
        for kind in [LetterKind::Rejected, LetterKind::Dead, LetterKind::Waiting] {
            let letters = self.ports.letters.list(kind, None, PAGE).await?;
            for letter in letters.iter().filter(|letter| letter.letter.at < before) {
                count += usize::from(self.ports.letters.remove(kind, &letter.id).await?.is_some());
            }
        }
        Ok(count)
    }

    /// Events of connections that are so old that no copy of them comes. Each connection leaves some, so all that are due go
    /// in one round.
    pub(super) async fn forget_handled(&self) -> Result<usize, Refused> {
        let before = self.ports.clock.now().days_before(bounds::MARKER_DAYS);
        let mut count = 0;
        loop {
            let forgotten = self.ports.handled.forget(before, FORGOTTEN).await?;
            count += forgotten;
            if forgotten < FORGOTTEN {
                return Ok(count);
            }
        }
    }

    async fn forget_invitations(&self, room: &RoomId) -> Result<usize, Refused> {
        let before = self.ports.clock.now().days_before(INVITATION_DAYS);
        let (mut after, mut count): (Option<String>, usize) = (None, 0);
        loop {
            let rows = self.ports.invitations.list(room, after.as_deref(), PAGE).await?;
            after = rows.last().map(|row| row.id.clone());
            for row in rows.iter().filter(|row| row.expires_at < before) {
                count += usize::from(self.ports.invitations.revoke(room, &row.id).await?);
            }
            if rows.len() < PAGE {
                return Ok(count);
            }
        }
    }

    /// Members whose row does not say the role that was told last.
    async fn follow_roles(&self, room: &RoomId, head: &Head) -> Result<usize, Refused> {
        let after = head.seq.saturating_sub(LATELY);
        let Some(page) = self.ports.log.entries(&room.conversation(), after, PAGE).await? else {
            return Ok(0);
        };
        let changed: BTreeSet<UserId> = page
            .entries
            .into_iter()
            .filter_map(|entry| match entry.change {
                Change::RoleChanged { user, .. } => Some(user),
                _ => None,
            })
            .collect();
        let mut count = 0;
        for user in changed {
            let Some(row) = self.ports.members.get(room, &user).await? else { continue };
            if let Some((seq, role)) = self.role_told_behind(room, &user, after).await?
                && role != row.role
            {
                count += usize::from(self.follow_role(room, &user, role, seq).await?);
            }
        }
        Ok(count)
    }
}

/// What a room's owners want can only be less than what the deployment keeps.
fn shorter(one: Option<u32>, other: Option<u32>) -> Option<u32> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
