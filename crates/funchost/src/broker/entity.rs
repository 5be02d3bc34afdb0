//! One queue, subscription or dead-letter queue, in memory. No I/O and no clock.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use time::OffsetDateTime;

use super::message::{Message, Stored};

/// A message in hand.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub stored: Stored,
    /// New with each delivery.
    pub lock_token: String,
}

#[derive(Debug)]
pub(super) struct Entity {
    /// In the case in which the app names it.
    pub(super) path: String,
    /// Whether messages without a session are refused.
    pub(super) needs_sessions: bool,
    pub(super) duplicates: u64,
    last: u64,
    messages: BTreeMap<u64, Stored>,
    locked: HashSet<u64>,
    /// Sequence numbers by session, for messages that have one.
    sessions: HashMap<String, BTreeSet<u64>>,
    locked_sessions: HashSet<String>,
    seen: HashMap<String, OffsetDateTime>,
    seen_order: VecDeque<(OffsetDateTime, String)>,
}

impl Entity {
    pub(super) fn new(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            needs_sessions: false,
            duplicates: 0,
            last: 0,
            messages: BTreeMap::new(),
            locked: HashSet::new(),
            sessions: HashMap::new(),
            locked_sessions: HashSet::new(),
            seen: HashMap::new(),
            seen_order: VecDeque::new(),
        }
    }

    /// Puts a message at the end and answers it as stored.
    pub(super) fn add(&mut self, message: Message, enqueued: OffsetDateTime) -> Stored {
        let stored = Stored {
            message,
            sequence_number: self.last + 1,
            enqueued,
            delivery_count: 0,
            dead_letter_source: None,
        };
        self.restore(stored.clone());
        stored
    }

    /// Puts a message back under its own number.
    pub(super) fn restore(&mut self, stored: Stored) {
        let number = stored.sequence_number;
        self.raise_last(number);
        if let Some(session) = &stored.message.session_id {
            self.sessions.entry(session.clone()).or_default().insert(number);
        }
        self.messages.insert(number, stored);
    }

    /// Numbers up to this one are not given again.
    pub(super) fn raise_last(&mut self, number: u64) {
        self.last = self.last.max(number);
    }

    pub(super) fn next_number(&self) -> u64 {
        self.last + 1
    }

    /// Takes the first message that nobody holds.
    pub(super) fn take(&mut self, lock_token: String) -> Option<Delivery> {
        let number = *self.messages.keys().find(|number| !self.locked.contains(number))?;
        self.deliver(number, lock_token)
    }

    /// Messages that nobody holds and whose time is over.
    pub(super) fn expired(&self, now: OffsetDateTime) -> Vec<u64> {
        let is_over = |stored: &Stored| {
            let lives = stored.message.time_to_live_ms.and_then(|time| i64::try_from(time).ok());
            lives.is_some_and(|time| stored.enqueued + time::Duration::milliseconds(time) <= now)
        };
        let free = self.messages.iter().filter(|(number, _)| !self.locked.contains(number));
        free.filter(|(_, stored)| is_over(stored)).map(|(number, _)| *number).collect()
    }

    /// Locks the session whose first message is the oldest among sessions that nobody holds.
    pub(super) fn accept_session(&mut self) -> Option<String> {
        let free = self.sessions.iter().filter(|(session, _)| !self.locked_sessions.contains(*session));
        let (session, _) = free.min_by_key(|(_, numbers)| numbers.first().copied())?;
        let session = session.clone();
        self.locked_sessions.insert(session.clone());
        Some(session)
    }

    pub(super) fn release_session(&mut self, session: &str) {
        self.locked_sessions.remove(session);
    }

    /// Takes the oldest message, not yet taken, of a session that the caller has locked.
    pub(super) fn take_in_session(&mut self, session: &str, lock_token: String) -> Option<Delivery> {
        let number = *self.sessions.get(session)?.iter().find(|number| !self.locked.contains(number))?;
        self.deliver(number, lock_token)
    }

    fn deliver(&mut self, number: u64, lock_token: String) -> Option<Delivery> {
        let stored = self.messages.get_mut(&number)?;
        stored.delivery_count += 1;
        let stored = stored.clone();
        self.locked.insert(number);
        Some(Delivery { stored, lock_token })
    }

    /// Makes a message available again, in its old place.
    pub(super) fn unlock(&mut self, number: u64) {
        self.locked.remove(&number);
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<Stored> {
        self.locked.remove(&number);
        let stored = self.messages.remove(&number)?;
        if let Some(session) = &stored.message.session_id
            && let Some(numbers) = self.sessions.get_mut(session)
        {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.sessions.remove(session);
            }
        }
        Some(stored)
    }

    /// Remembers an id; `false` when it is known already.
    pub(super) fn remember(&mut self, id: &str, at: OffsetDateTime) -> bool {
        if self.seen.contains_key(id) {
            return false;
        }
        self.seen.insert(id.to_owned(), at);
        self.seen_order.push_back((at, id.to_owned()));
        true
    }

    /// Forgets the ids that were accepted before `limit`, and answers them.
    pub(super) fn forget_before(&mut self, limit: OffsetDateTime) -> Vec<String> {
        let mut forgotten = Vec::new();
        while self.seen_order.front().is_some_and(|(at, _)| *at < limit) {
            if let Some((_, id)) = self.seen_order.pop_front() {
                self.seen.remove(&id);
                forgotten.push(id);
            }
        }
        forgotten
    }

    pub(super) fn messages(&self) -> impl Iterator<Item = &Stored> {
        self.messages.values()
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn locked(&self) -> usize {
        self.locked.len()
    }
}
