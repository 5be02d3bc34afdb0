//! Who writes to one log at a time in this process, and what waits for it.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::model::{ConversationId, Head};
use crate::ports::{LogError, NewEntry, Outcome};

/// Entries of one append at most: with head, state row and marker they fit a transaction.
pub(super) const APPEND_ENTRIES: usize = 32;
/// Lanes that are kept; more, and those nobody uses go.
const MOST: usize = 4_096;

pub(super) type Answer = Result<Vec<Outcome>, LogError>;

/// An append that waits for its turn.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) entries: Vec<NewEntry>,
    pub(super) answer: oneshot::Sender<Answer>,
}

/// A head as it was last seen here. Another process may have changed it since; the etag tells.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) head: Head,
    pub(super) etag: String,
}

/// One conversation's way to its log. Whoever holds `seen` writes.
#[derive(Debug, Default)]
pub(super) struct Lane {
    waiting: Mutex<VecDeque<Waiting>>,
    pub(super) seen: tokio::sync::Mutex<Option<Seen>>,
    /// The last `seq` written here.
    pub(super) top: AtomicU64,
    /// Somebody will write the `sent` mark soon.
    pub(super) is_marking: AtomicBool,
    /// The mark was raised since they looked.
    pub(super) is_raised: AtomicBool,
}

impl Lane {
    pub(super) fn wait(&self, waiting: Waiting) {
        self.queue().push_back(waiting);
    }

    /// The next ones, as many as share a transaction; one always goes.
    pub(super) fn next(&self) -> Vec<Waiting> {
        let mut queue = self.queue();
        let (mut batch, mut entries) = (Vec::new(), 0);
        while let Some(next) = queue.front() {
            entries += next.entries.len();
            if entries > APPEND_ENTRIES && !batch.is_empty() {
                break;
            }
            batch.extend(queue.pop_front());
        }
        batch
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: Mutex<HashMap<ConversationId, Arc<Lane>>>,
}

impl Lanes {
    pub(super) fn of(&self, conversation: &ConversationId) -> Arc<Lane> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if lanes.len() >= MOST && !lanes.contains_key(conversation) {
            // What waits or works holds its lane.
            lanes.retain(|_, lane| Arc::strong_count(lane) > 1);
        }
        Arc::clone(lanes.entry(conversation.clone()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::data::{conversation, message, new};

    fn waiting(entries: usize) -> Waiting {
        let entries = (0..entries).map(|n| new(message(&n.to_string(), "x"))).collect();
        Waiting { entries, answer: oneshot::channel().0 }
    }

    #[test]
    fn what_waits_goes_together_in_its_order_as_far_as_it_fits() {
        let lane = Lane::default();
        for entries in [10, 20, 2, 1, 40, 1] {
            lane.wait(waiting(entries));
        }
        let sizes =
            |batch: Vec<Waiting>| batch.iter().map(|waiting| waiting.entries.len()).collect::<Vec<_>>();
        assert_eq!(sizes(lane.next()), [10, 20, 2]);
        assert_eq!(sizes(lane.next()), [1]);
        assert_eq!(sizes(lane.next()), [40], "a large one goes alone");
        assert_eq!(sizes(lane.next()), [1]);
        assert_eq!(sizes(lane.next()), [0; 0]);
    }

    #[test]
    fn idle_lanes_make_room() {
        let lanes = Lanes::default();
        let held = lanes.of(&conversation("held"));
        for n in 0..2 * MOST {
            lanes.of(&conversation(&format!("c{n}")));
        }
        assert!(lanes.lanes.lock().unwrap().len() <= MOST);
        assert!(Arc::ptr_eq(&held, &lanes.of(&conversation("held"))));
    }
}
