//! What an append does to a conversation, worked out before anything is written. Pure: an adapter lends a view of its
//! rows, and writes the [`Plan`] in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Change, Entry, Head, Marker, MessageState, NewMessage, Timestamp, UserId, bounds};
use crate::ports::{LogError, NewEntry, Outcome, Position, Refusal, StoreError};

/// The rows of one conversation as they stand before the append.
pub(crate) trait Rows {
    fn marker(&self, marker: &Marker) -> Result<Option<Position>, StoreError>;
    fn state(&self, seq: u64) -> Result<Option<MessageState>, StoreError>;
    /// `seq` of every edit of the message.
    fn edits(&self, target: u64) -> Result<Vec<u64>, StoreError>;
}

/// The rows to write, all or none, and what to answer.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) head: Head,
    pub(crate) entries: Vec<Entry>,
    pub(crate) states: BTreeMap<u64, MessageState>,
    pub(crate) markers: BTreeMap<Marker, Position>,
    /// (target, `seq` of the edit): which entries a later deletion has to blank besides its target.
    pub(crate) edits: BTreeSet<(u64, u64)>,
    /// Stored entries that lose their content, see [`blank`].
    pub(crate) blanked: BTreeSet<u64>,
}

/// Works the entries into the conversation, in their order.
pub(crate) fn plan(head: Option<Head>, rows: &impl Rows, entries: Vec<NewEntry>) -> Result<Plan, LogError> {
    let head = head.ok_or(LogError::NotOpen)?;
    let first_seq = head.seq + 1;
    let plan = Plan {
        outcomes: Vec::with_capacity(entries.len()),
        head,
        entries: Vec::with_capacity(entries.len()),
        states: BTreeMap::new(),
        markers: BTreeMap::new(),
        edits: BTreeSet::new(),
        blanked: BTreeSet::new(),
    };
    let mut planner = Planner { rows, first_seq, plan };
    for entry in entries {
        let outcome = planner.append(entry)?;
        planner.plan.outcomes.push(outcome);
    }
    Ok(planner.plan)
}

/// Retention up to `seq`, clamped to the head: the floor, and the pins of messages that are above it still. `false` when
/// the floor stands as high already.
pub(crate) fn raise_floor(head: &mut Head, seq: u64) -> bool {
    let floor = seq.min(head.seq);
    if floor <= head.floor {
        return false;
    }
    head.floor = floor;
    head.pins.retain(|pin| *pin > floor);
    true
}

/// Takes the content out of an entry; place, sender and id stay.
pub(crate) fn blank(change: &mut Change) {
    match change {
        Change::Message(message) => blank_message(message),
        Change::Edit { content, .. } => content.clear(),
        _ => {}
    }
}

fn blank_message(message: &mut NewMessage) {
    message.content.clear();
    message.attachment_url = None;
}

/// Stands where an erased person's emoji stood. Setting and taking away keep their balance.
const NO_EMOJI: &str = "\u{fffd}";

/// Takes what the user put into an entry out of it. Answers which message's state it shaped; `None` where the entry is not
/// theirs, or holds nothing but who did what.
pub(crate) fn redact_entry(entry: &mut Entry, user: &UserId) -> Option<u64> {
    if entry.change.author() != user {
        return None;
    }
    match &mut entry.change {
        Change::Message(message) => {
            redact_message(message);
            Some(entry.seq)
        }
        Change::Edit { target, content, .. } => {
            content.clear();
            Some(*target)
        }
        Change::Reaction { target, emoji, .. } => {
            NO_EMOJI.clone_into(emoji);
            Some(*target)
        }
        Change::Delete { target, reason, .. } => {
            *reason = None;
            Some(*target)
        }
        _ => None,
    }
}

/// The same of a message's state.
pub(crate) fn redact_state(state: &mut MessageState, user: &UserId, now: Timestamp) {
    if state.message.sender == *user {
        redact_message(&mut state.message);
        state.reactions.clear();
        state.deleted_at = state.deleted_at.or(Some(now));
    }
    for users in state.reactions.values_mut() {
        users.remove(user);
    }
    state.reactions.retain(|_, users| !users.is_empty());
}

fn redact_message(message: &mut NewMessage) {
    blank_message(message);
    message.sender_name = None;
    message.sent_at = None;
}

struct Planner<'a, R> {
    rows: &'a R,
    /// `seq` of the first entry of this plan.
    first_seq: u64,
    plan: Plan,
}

impl<R: Rows> Planner<'_, R> {
    fn append(&mut self, new: NewEntry) -> Result<Outcome, LogError> {
        if let Some(marker) = &new.marker
            && let Some(Position { seq, number, at }) = self.position(marker)?
        {
            return Ok(Outcome::Duplicate { seq, number, at });
        }
        if self.plan.head.closed {
            return Err(LogError::Closed);
        }
        let (seq, at) = (self.plan.head.seq + 1, new.at);
        let number = self.plan.head.count + u64::from(matches!(new.change, Change::Message(_)));
        let entry = Entry { seq, number, at, change: new.change };
        if new.only_behind.is_some_and(|behind| behind != self.plan.head.seq) {
            return Ok(Outcome::Refused(Refusal::GoneOn));
        }
        if let Some(refusal) = self.shape(&entry)? {
            return Ok(Outcome::Refused(refusal));
        }
        if let Some(marker) = new.marker {
            self.plan.markers.insert(marker, Position { seq, number, at });
        }
        self.plan.head.seq = seq;
        self.plan.head.count = number;
        self.plan.head.closed = matches!(entry.change, Change::RoomDeleted { .. });
        self.plan.entries.push(entry);
        Ok(Outcome::Appended { seq, number, at })
    }

    fn position(&self, marker: &Marker) -> Result<Option<Position>, StoreError> {
        match self.plan.markers.get(marker) {
            Some(position) => Ok(Some(*position)),
            None => self.rows.marker(marker),
        }
    }

    fn state(&self, seq: u64) -> Result<Option<MessageState>, StoreError> {
        match self.plan.states.get(&seq) {
            Some(state) => Ok(Some(state.clone())),
            // Rows below the floor may be still there, but are gone for everybody.
            None if seq <= self.plan.head.floor => Ok(None),
            None => self.rows.state(seq),
        }
    }

    /// Works the entry into the state of the message it is about, or says why it may not.
    fn shape(&mut self, entry: &Entry) -> Result<Option<Refusal>, StoreError> {
        let target = match &entry.change {
            Change::Message(message) => {
                self.plan.states.insert(entry.seq, new_state(entry, message));
                return Ok(None);
            }
            Change::Edit { target, .. }
            | Change::Delete { target, .. }
            | Change::Reaction { target, .. }
            | Change::Pinned { target, .. } => *target,
            Change::Joined { .. }
            | Change::RoleChanged { .. }
            | Change::Sanctioned { .. }
            | Change::Left { .. }
            | Change::RoomChanged { .. }
            | Change::RoomDeleted { .. } => return Ok(None),
        };
        let Some(mut state) = self.state(target)? else {
            return Ok(Some(Refusal::NoSuchMessage));
        };
        if state.deleted_at.is_some() && !matches!(entry.change, Change::Delete { .. }) {
            return Ok(Some(Refusal::MessageDeleted));
        }
        let refusal = match &entry.change {
            Change::Pinned { on, .. } => pin(&mut self.plan.head.pins, target, *on),
            Change::Reaction { emoji, by, on, .. } => react(&mut state, emoji, by, *on),
            Change::Edit { .. } if self.edits_of(target)?.len() >= bounds::EDITS_PER_MESSAGE => {
                Some(Refusal::TooManyEdits)
            }
            Change::Edit { content, .. } => {
                state.message.content.clone_from(content);
                state.edited_at = Some(entry.at);
                self.plan.edits.insert((target, entry.seq));
                None
            }
            Change::Delete { .. } if state.deleted_at.is_none() => {
                blank_message(&mut state.message);
                state.reactions.clear();
                state.deleted_at = Some(entry.at);
                self.plan.head.pins.retain(|pin| *pin != target);
                self.blank_entries_of(target)?;
                None
            }
            _ => None,
        };
        if refusal.is_some() {
            return Ok(refusal);
        }
        state.as_of = entry.seq;
        self.plan.states.insert(target, state);
        Ok(None)
    }

    /// `seq` of every edit of the message, those of this plan too.
    fn edits_of(&self, target: u64) -> Result<Vec<u64>, StoreError> {
        let planned = self.plan.edits.range((target, 0)..=(target, u64::MAX)).map(|(_, edit)| *edit);
        let mut edits: Vec<u64> = planned.collect();
        if target < self.first_seq {
            edits.extend(self.rows.edits(target)?);
        }
        Ok(edits)
    }

    /// A message's content stands in its own entry and in those of its edits.
    fn blank_entries_of(&mut self, target: u64) -> Result<(), StoreError> {
        let edits = self.edits_of(target)?;
        for seq in edits.into_iter().chain([target]) {
            match seq.checked_sub(self.first_seq) {
                None => {
                    self.plan.blanked.insert(seq);
                }
                Some(index) => {
                    let entry =
                        usize::try_from(index).ok().and_then(|index| self.plan.entries.get_mut(index));
                    if let Some(entry) = entry {
                        blank(&mut entry.change);
                    }
                }
            }
        }
        Ok(())
    }
}

/// A refusal leaves the pins as they were.
fn pin(pins: &mut Vec<u64>, target: u64, on: bool) -> Option<Refusal> {
    match (on, pins.contains(&target)) {
        (true, true) | (false, false) => return Some(Refusal::Unchanged),
        (true, false) if pins.len() >= bounds::PINS => return Some(Refusal::TooManyPins),
        (true, false) => pins.push(target),
        (false, true) => pins.retain(|pin| *pin != target),
    }
    None
}

/// Sets or takes away a reaction; no emoji stays without users. What is so already makes no entry: a client that counts
/// has no other way to tell that it changes nothing.
fn react(state: &mut MessageState, emoji: &str, by: &UserId, on: bool) -> Option<Refusal> {
    let reactions = &mut state.reactions;
    if reactions.get(emoji).is_some_and(|users| users.contains(by)) == on {
        return Some(Refusal::Unchanged);
    }
    if on {
        let is_full = reactions.values().map(BTreeSet::len).sum::<usize>() >= bounds::REACTIONS_PER_MESSAGE;
        if is_full || reactions.len() >= bounds::EMOJI_PER_MESSAGE && !reactions.contains_key(emoji) {
            return Some(Refusal::TooManyReactions);
        }
        reactions.entry(emoji.to_owned()).or_default().insert(by.clone());
    } else if let Some(users) = reactions.get_mut(emoji) {
        users.remove(by);
        if users.is_empty() {
            reactions.remove(emoji);
        }
    }
    None
}

fn new_state(entry: &Entry, message: &NewMessage) -> MessageState {
    MessageState {
        seq: entry.seq,
        number: entry.number,
        at: entry.at,
        message: message.clone(),
        as_of: entry.seq,
        edited_at: None,
        deleted_at: None,
        reactions: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::data::{delete, edit, message, new, user};
    use crate::model::Timestamp;

    struct Nothing;
    impl Rows for Nothing {
        fn marker(&self, _: &Marker) -> Result<Option<Position>, StoreError> {
            Ok(None)
        }
        fn state(&self, _: u64) -> Result<Option<MessageState>, StoreError> {
            Ok(None)
        }
        fn edits(&self, _: u64) -> Result<Vec<u64>, StoreError> {
            Ok(Vec::new())
        }
    }

    #[test]
    fn a_message_made_edited_and_deleted_in_one_call_leaves_no_content() {
        let entries = [message("1", "secret"), edit(1, "still secret"), delete(1)].map(new).to_vec();
        let plan = plan(Some(Head::default()), &Nothing, entries).unwrap();
        assert!(!format!("{plan:?}").contains("secret"), "{plan:?}");
        assert_eq!(plan.head.seq, 3);
        assert_eq!(plan.states[&1].as_of, 3);
        assert!(plan.blanked.is_empty(), "nothing of it is stored yet");
    }

    /// A Table writes at most 100 rows at once.
    #[test]
    fn the_deletion_of_the_most_edited_message_fits_one_transaction() {
        struct Crowded;
        impl Rows for Crowded {
            fn marker(&self, _: &Marker) -> Result<Option<Position>, StoreError> {
                Ok(None)
            }
            fn state(&self, seq: u64) -> Result<Option<MessageState>, StoreError> {
                let Change::Message(message) = message("m", "old") else { return Ok(None) };
                let change = Change::Message(message.clone());
                let mut state =
                    new_state(&Entry { seq, number: seq, at: Timestamp::default(), change }, &message);
                let users = |n: usize| (0..n).map(|n| user(&n.to_string())).collect();
                let per_emoji = bounds::REACTIONS_PER_MESSAGE / bounds::EMOJI_PER_MESSAGE;
                state.reactions =
                    (0..bounds::EMOJI_PER_MESSAGE).map(|n| (n.to_string(), users(per_emoji))).collect();
                Ok(Some(state))
            }
            fn edits(&self, _: u64) -> Result<Vec<u64>, StoreError> {
                Ok((2..).take(bounds::EDITS_PER_MESSAGE).collect())
            }
        }
        let head = Head { seq: 90, count: 1, pins: vec![1], ..Head::default() };
        let marker = Marker::from_bytes([1; 32]);
        let deletion = NewEntry { marker: Some(marker), ..new(delete(1)) };
        let plan = plan(Some(head), &Crowded, vec![deletion]).unwrap();
        let head = 1;
        let others =
            [plan.entries.len(), plan.states.len(), plan.markers.len(), plan.edits.len(), plan.blanked.len()];
        assert_eq!(plan.blanked.len(), bounds::EDITS_PER_MESSAGE + 1);
        assert!(head + others.iter().sum::<usize>() <= 100, "{others:?}");
    }

    #[test]
    fn nothing_follows_the_deletion_of_the_room() {
        let entries = [Change::RoomDeleted { by: user("ann") }, message("1", "late")].map(new).to_vec();
        assert!(matches!(plan(Some(Head::default()), &Nothing, entries), Err(LogError::Closed)));
    }

    #[test]
    fn a_row_below_the_floor_is_no_target() {
        let head = Head { seq: 9, count: 9, floor: 5, ..Head::default() };
        struct Leftover;
        impl Rows for Leftover {
            fn marker(&self, _: &Marker) -> Result<Option<Position>, StoreError> {
                Ok(None)
            }
            fn state(&self, seq: u64) -> Result<Option<MessageState>, StoreError> {
                let Change::Message(message) = message("m", "old") else { return Ok(None) };
                let entry = Entry {
                    seq,
                    number: seq,
                    at: Timestamp::default(),
                    change: Change::Message(message.clone()),
                };
                Ok(Some(new_state(&entry, &message)))
            }
            fn edits(&self, _: u64) -> Result<Vec<u64>, StoreError> {
                Ok(Vec::new())
            }
        }
        let plan = plan(Some(head), &Leftover, vec![new(edit(5, "x")), new(edit(6, "x"))]).unwrap();
        assert_eq!(plan.outcomes[0], Outcome::Refused(Refusal::NoSuchMessage));
        assert!(matches!(plan.outcomes[1], Outcome::Appended { seq: 10, .. }));
    }
}
