//! Erasing a person. What they wrote is blanked, what is theirs alone is removed; rows, numbers and their id stay, and so do
//! sanctions on them and the audit (`docs/decisions/014-data-duties.md`). A row notes the work from its first step to
//! its last, so that a crash anywhere costs nothing but time: each step may be repeated, and the chores go on with it.

use std::time::Duration;

use serde::Serialize;

use super::audit::Act;
use super::command::{Audience, Command};
use super::members::user_in;
use super::policy::require_self_or_admin;
use super::{Caller, Chat, Refused};
use crate::model::{Change, ConversationId, Desk, Entry, Erasure, Marker, Timestamp, UserId};
use crate::ports::{LetterKind, NewEntry};

/// Erasures that one round works at.
const PEOPLE: usize = 4;
/// Erasures among which it looks for those that do not wait.
const LOOKED_AT: usize = 1_000;
/// Conversations of one lap that a round goes through, for each of them.
const CONVERSATIONS: usize = 200;
/// Rows read at once.
const PAGE: usize = 200;
/// Pages of one conversation before its place is noted.
const PAGES: usize = 10;
/// Deletions appended at once.
const TOLD_AT_ONCE: usize = 20;
/// Between the request and the beginning of the last lap: what was accepted before the request is in a log by then.
const QUEUE_EMPTIES: Duration = Duration::from_secs(10 * 60);
/// What closed connections are told.
const CLOSED: &str = "erased";

/// How far it has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErasureView {
    pub user: UserId,
    pub requested_by: UserId,
    pub requested_at: Timestamp,
    pub status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub done_at: Option<Timestamp>,
}

impl From<Erasure> for ErasureView {
    fn from(row: Erasure) -> Self {
        let status = if row.done_at.is_some() { "done" } else { "under_way" };
        Self {
            user: row.user,
            requested_by: row.by,
            requested_at: row.requested_at,
            status,
            done_at: row.done_at,
        }
    }
}

impl Chat {
    /// Begins to erase the caller, or, for admins, somebody else. Once one is under way a repeat gets the same answer; after its
    /// end it begins anew, for the id may have been used since.
    pub async fn erase(&self, caller: &Caller, user: Option<&str>) -> Result<ErasureView, Refused> {
        let user = self.whose_data(caller, user)?;
        let former = self.ports.erasures.get(&user).await?;
        if let Some(row) = former.clone().filter(|row| row.done_at.is_none()) {
            return Ok(row.into());
        }
        let act = Act {
            action: "user.erase",
            on: Some(user.clone()),
            occasion: former.map_or_else(String::new, |row| row.requested_at.to_string()),
            ..Act::default()
        };
        let row = Erasure {
            user,
            by: caller.user.clone(),
            requested_at: self.ports.clock.now(),
            laps: 0,
            up_to: None,
            within: None,
            done_at: None,
        };
        self.audited(caller, act, async { Ok(self.ports.erasures.put(&row).await?) }).await?;
        // Those who wait for it see them gone at once; whatever fails here the chores do.
        if let Err(refused) = self.take_away(&row).await {
            tracing::warn!(code = refused.code, "an erasure is left to the chores");
        }
        Ok(row.into())
    }

    /// How far the caller's erasure has come, or, for admins, somebody else's.
    pub async fn erasure(&self, caller: &Caller, user: Option<&str>) -> Result<ErasureView, Refused> {
        let user = self.whose_data(caller, user)?;
        let row = self.ports.erasures.get(&user).await?;
        row.map(ErasureView::from).ok_or_else(|| {
            Refused::not_found("erasure_not_found", "Nobody has asked for the erasure of this user.")
        })
    }

    /// Everybody has a say over their own data, admins over all.
    pub(super) fn whose_data(&self, caller: &Caller, user: Option<&str>) -> Result<UserId, Refused> {
        let Some(user) = user else { return Ok(caller.user.clone()) };
        let user = user_in("user", user)?;
        require_self_or_admin(caller, &user)?;
        Ok(user)
    }

    /// One round of the chores.
    pub(super) async fn go_on_erasing(&self) -> Result<usize, Refused> {
        let _one_at_a_time = self.erasing.lock().await;
        let (mut outcome, now) = (Ok(0), self.ports.clock.now());
        let rows = self.ports.erasures.under_way(LOOKED_AT).await?;
        for row in rows.into_iter().filter(|row| !is_waiting(row, now)).take(PEOPLE) {
            match self.erase_some(row).await {
                Ok(()) => outcome = outcome.map(|count| count + 1),
                Err(refused) => outcome = Err(refused),
            }
        }
        outcome
    }

    async fn erase_some(&self, mut row: Erasure) -> Result<(), Refused> {
        if row.up_to.is_none() {
            self.take_away(&row).await?;
        }
        let ids = self.ports.log.conversations(row.up_to.as_ref(), CONVERSATIONS).await?;
        let is_last = ids.len() < CONVERSATIONS;
        for id in ids {
            let within = row.within.take().filter(|(conversation, _)| *conversation == id);
            let mut after = within.map_or(0, |(_, seq)| seq);
            if let Some(room) = id.room() {
                self.erase_in_reviews(&row.user, &Desk::Room(room)).await?;
            }
            while let Some(seq) = self.blank_some(&row.user, &id, after).await? {
                (after, row.within) = (seq, Some((id.clone(), seq)));
                self.ports.erasures.put(&row).await?;
            }
            (row.up_to, row.within) = (Some(id), None);
            self.ports.erasures.put(&row).await?;
        }
        if is_last {
            (row.laps, row.up_to) = (row.laps + 1, None);
            if row.laps > 1 {
                self.drop_letters(&row.user).await?;
                self.take_away(&row).await?;
                row.done_at = Some(self.ports.clock.now());
            }
            self.ports.erasures.put(&row).await?;
        }
        Ok(())
    }

    /// What is theirs alone: connections, memberships with their marks, profile, files, what was held of direct messages, inbox.
    async fn take_away(&self, row: &Erasure) -> Result<(), Refused> {
        let user = &row.user;
        self.drop_profile(row).await?;
        self.names.learn(user, None);
        while self.drop_attachments_of(user).await? {}
        self.erase_in_reviews(user, &Desk::Direct).await?;
        loop {
            let rooms = self.ports.members.rooms_of(user, None, PAGE).await?;
            for (room, member) in &rooms {
                let removal = self.note_removal(room, member, user, None).await?;
                self.finish_removal(room, &removal).await?;
            }
            if rooms.len() < PAGE {
                break;
            }
        }
        for lease in self.ports.leases.of(user).await? {
            self.ports.transport.close(&lease.connection, CLOSED).await?;
            self.ports.leases.remove(user, &lease.connection).await?;
        }
        loop {
            let items = self.ports.inbox.list(user, None, None, PAGE).await?;
            let keys: Vec<_> = items.iter().map(|item| item.key().to_text()).collect();
            self.ports.inbox.acknowledge(user, &keys).await?;
            if items.len() < PAGE {
                break;
            }
        }
        // Leaving and closing told of when they were last here.
        self.drop_profile(row).await
    }

    /// All of the profile but the mark of a sign-out: tokens for sockets from before the erasure stay without worth.
    async fn drop_profile(&self, row: &Erasure) -> Result<(), Refused> {
        self.ports.profiles.sign_out(&row.user, row.requested_at).await?;
        Ok(self.ports.profiles.blank(&row.user).await?)
    }

    /// Those who follow the log are told first, as of any deletion; then every trace of content goes. Answers where to go on,
    /// where that was not all of it.
    async fn blank_some(
        &self,
        user: &UserId,
        id: &ConversationId,
        mut after: u64,
    ) -> Result<Option<u64>, Refused> {
        let Some(head) = self.ports.log.head(id).await? else { return Ok(None) };
        for _ in 0..PAGES {
            let page = self.ports.log.entries(id, after, PAGE).await?;
            let Some(page) = page.filter(|page| !page.entries.is_empty()) else { return Ok(None) };
            let last = page.entries.last().map_or(after, |entry| entry.seq);
            let theirs: Vec<_> =
                page.entries.into_iter().filter(|entry| is_content_of(user, &entry.change)).collect();
            if !theirs.is_empty() {
                if !head.closed {
                    self.tell_erased(user, id, &theirs).await?;
                }
                self.clear_inboxes(id, &theirs).await?;
                let seqs: Vec<u64> = theirs.iter().map(|entry| entry.seq).collect();
                self.ports.log.redact(id, user, &seqs, self.ports.clock.now()).await?;
            }
            after = last;
            // What is appended from here on, our own deletions too, is the next lap's.
            if after >= head.seq {
                return Ok(None);
            }
        }
        Ok(Some(after))
    }

    /// Deletions and reactions taken back, as the person might have done themself, for what is not so already.
    async fn tell_erased(&self, user: &UserId, id: &ConversationId, theirs: &[Entry]) -> Result<(), Refused> {
        let Some(audience) = audience(id, theirs) else { return Ok(()) };
        let targets: Vec<u64> = theirs.iter().filter_map(target).collect();
        let states = self.ports.log.states(id, &targets).await?;
        let state = |seq: u64| states.iter().find(|state| state.seq == seq && state.deleted_at.is_none());
        let mut commands = Vec::new();
        for entry in theirs {
            let change = match &entry.change {
                Change::Message(_) if state(entry.seq).is_some() => {
                    Change::Delete { target: entry.seq, by: user.clone(), reason: None }
                }
                Change::Reaction { target, emoji, .. } if has(state(*target), emoji, user) => {
                    Change::Reaction { target: *target, emoji: emoji.clone(), by: user.clone(), on: false }
                }
                _ => continue,
            };
            let marker = Marker::of_command(id, user, "erased", &entry.seq.to_string());
            let entry =
                NewEntry { marker: Some(marker), at: self.ports.clock.now(), change, only_behind: None };
            commands.push(Command { entry, excluded: None });
        }
        for some in commands.chunks(TOLD_AT_ONCE) {
            let appended = self.appenders.append(&audience, id, some.to_vec()).await?;
            appended.filed()?;
        }
        Ok(())
    }

    /// Accepted messages of theirs that did not reach a log.
    async fn drop_letters(&self, user: &UserId) -> Result<(), Refused> {
        for kind in LetterKind::ALL {
            let mut after: Option<String> = None;
            loop {
                let letters = self.ports.letters.list(kind, after.as_deref(), PAGE).await?;
                let is_last = letters.len() < PAGE;
                after = letters.last().map(|letter| letter.id.clone());
                for letter in letters.iter().filter(|letter| names_sender(&letter.letter.body, user)) {
                    self.ports.letters.remove(kind, &letter.id).await?;
                }
                if is_last {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// Whether the body of a message, of ours or of a foreign producer, names the user as its sender.
pub(super) fn names_sender(body: &str, user: &UserId) -> bool {
    let Ok(serde_json::Value::Object(fields)) = serde_json::from_str(body) else { return false };
    let is_sender =
        |name: &str| matches!(name.to_ascii_lowercase().as_str(), "senderid" | "sender_id" | "sender");
    fields.iter().any(|(name, value)| is_sender(name) && value.as_str() == Some(user.as_str()))
}

/// What holds words of theirs; who came and went, and what they decided about others, stays.
pub(super) fn is_content_of(user: &UserId, change: &Change) -> bool {
    let is_content = matches!(
        change,
        Change::Message(_) | Change::Edit { .. } | Change::Reaction { .. } | Change::Delete { .. }
    );
    is_content && change.author() == user
}

/// The message that an entry is about.
fn target(entry: &Entry) -> Option<u64> {
    match &entry.change {
        Change::Message(_) => Some(entry.seq),
        Change::Reaction { target, .. } => Some(*target),
        _ => None,
    }
}

fn has(state: Option<&crate::model::MessageState>, emoji: &str, user: &UserId) -> bool {
    state.and_then(|state| state.reactions.get(emoji)).is_some_and(|users| users.contains(user))
}

/// Who hears of it. `None` for a pair of which nothing here tells the other one: they learn of it when they read.
fn audience(id: &ConversationId, theirs: &[Entry]) -> Option<Audience> {
    if let Some(room) = id.room() {
        return Some(Audience::Room(room));
    }
    theirs.iter().find_map(|entry| match &entry.change {
        Change::Message(message) => Some(Audience::Pair(message.sender.clone(), message.to.clone()?)),
        _ => None,
    })
}

/// Whether its last lap has to wait for the queue.
fn is_waiting(row: &Erasure, now: Timestamp) -> bool {
    let age = now.millis().saturating_sub(row.requested_at.millis());
    row.laps > 0 && u128::from(age) < QUEUE_EMPTIES.as_millis()
}
