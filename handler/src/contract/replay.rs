//! What a client does with a log: a state, and entries worked into it in their order. Pure, and so simple that it can be
//! believed; stores and use cases are held against it.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Change, Entry, MessageState, Role, SanctionKind, UserId};

/// A conversation as a client that has seen everything up to some `seq` shows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    pub messages: BTreeMap<u64, MessageState>,
    /// In the order of pinning.
    pub pins: Vec<u64>,
    pub members: BTreeMap<UserId, Role>,
    pub sanctions: BTreeSet<(UserId, SanctionKind)>,
    /// Name and description, once somebody changed them.
    pub room: Option<(String, String)>,
}

impl Picture {
    /// The picture these entries paint from nothing.
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let mut picture = Self::default();
        entries.into_iter().for_each(|entry| picture.apply(entry));
        picture
    }

    /// Works in what follows. An entry that a message's state holds already (`as_of`) does not touch that message.
    pub fn apply(&mut self, entry: &Entry) {
        self.apply_to_messages(entry);
        match &entry.change {
            Change::Joined { user, role } => {
                self.members.insert(user.clone(), *role);
            }
            Change::RoleChanged { user, role, .. } => {
                self.members.entry(user.clone()).and_modify(|present| *present = *role);
            }
            Change::Left { user, .. } => {
                self.members.remove(user);
            }
            Change::Sanctioned { user, kind, on: true, .. } => {
                self.sanctions.insert((user.clone(), *kind));
            }
            Change::Sanctioned { user, kind, on: false, .. } => {
                self.sanctions.remove(&(user.clone(), *kind));
            }
            Change::Pinned { target, on: true, .. } if !self.pins.contains(target) => {
                self.pins.push(*target);
            }
            Change::Pinned { target, on: false, .. } | Change::Delete { target, .. } => {
                self.pins.retain(|pin| pin != target);
            }
            Change::RoomChanged { name, description, .. } => {
                self.room = Some((name.clone(), description.clone()));
            }
            _ => {}
        }
    }

    /// The part of [`apply`](Self::apply) that concerns messages.
    pub fn apply_to_messages(&mut self, entry: &Entry) {
        let target = match &entry.change {
            Change::Message(_) => {
                self.messages.entry(entry.seq).or_insert_with(|| first_state(entry));
                return;
            }
            Change::Edit { target, .. }
            | Change::Delete { target, .. }
            | Change::Reaction { target, .. }
            | Change::Pinned { target, .. } => target,
            _ => return,
        };
        if let Some(state) = self.messages.get_mut(target).filter(|state| state.as_of < entry.seq) {
            shape(state, entry);
        }
    }
}

fn first_state(entry: &Entry) -> MessageState {
    let Change::Message(message) = &entry.change else { panic!("no message: {entry:?}") };
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

fn shape(state: &mut MessageState, entry: &Entry) {
    state.as_of = entry.seq;
    match &entry.change {
        Change::Edit { content, .. } => {
            state.message.content.clone_from(content);
            state.edited_at = Some(entry.at);
        }
        Change::Delete { .. } => {
            state.message.content.clear();
            state.message.attachment_url = None;
            state.message.attachment_id = None;
            state.reactions.clear();
            state.deleted_at.get_or_insert(entry.at);
        }
        Change::Reaction { emoji, by, on: true, .. } => {
            state.reactions.entry(emoji.clone()).or_default().insert(by.clone());
        }
        Change::Reaction { emoji, by, on: false, .. } => {
            if let Some(users) = state.reactions.get_mut(emoji) {
                users.remove(by);
            }
            state.reactions.retain(|_, users| !users.is_empty());
        }
        _ => {}
    }
}
