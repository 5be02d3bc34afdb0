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
    waiting: Mutex<Queue>,
    pub(super) seen: tokio::sync::Mutex<Option<Seen>>,
    /// The last `seq` written here.
    pub(super) top: AtomicU64,
    /// Somebody will write the `sent` mark soon.
    pub(super) is_marking: AtomicBool,
    /// The mark was raised since they looked.
    pub(super) is_raised: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    appends: VecDeque<Waiting>,
    /// Somebody is there who takes them until none is left.
    has_writer: bool,
}

/// Takes what waits in one lane, until nothing does. There is one for each lane at a time.
pub(super) struct Writer {
    pub(super) lane: Arc<Lane>,
    is_done: bool,
}

impl Lane {
    /// The writer, where there is none yet: whoever gets it has to write.
    pub(super) fn wait(self: &Arc<Self>, waiting: Waiting) -> Option<Writer> {
        let mut queue = self.queue();
        queue.appends.push_back(waiting);
        let is_first = !std::mem::replace(&mut queue.has_writer, true);
        is_first.then(|| Writer { lane: Arc::clone(self), is_done: false })
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// The next ones, as many as share a transaction; one always goes. `None` when nothing waits: what comes later gets a
    /// writer of its own.
    pub(super) fn next(&mut self) -> Option<Vec<Waiting>> {
        let mut queue = self.lane.queue();
        let (mut batch, mut entries) = (Vec::new(), 0);
        while let Some(next) = queue.appends.front() {
            entries += next.entries.len();
            if entries > APPEND_ENTRIES && !batch.is_empty() {
                break;
            }
            batch.extend(queue.appends.pop_front());
        }
        self.is_done = batch.is_empty();
        queue.has_writer = !self.is_done;
        (!self.is_done).then_some(batch)
    }
}

impl Drop for Writer {
    /// One that ends before its time, by a panic, leaves nobody waiting for ever: they hear that it stopped.
    fn drop(&mut self) {
        if !self.is_done {
            *self.lane.queue() = Queue::default();
        }
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
        let lane = Arc::new(Lane::default());
        let mut writer = lane.wait(waiting(10)).unwrap();
        for entries in [20, 2, 1, 40, 1] {
            assert!(lane.wait(waiting(entries)).is_none(), "one writes for all");
        }
        let mut sizes = || {
            let batch = writer.next()?;
            Some(batch.iter().map(|waiting| waiting.entries.len()).collect::<Vec<_>>())
        };
        assert_eq!(sizes().unwrap(), [10, 20, 2]);
        assert_eq!(sizes().unwrap(), [1]);
        assert_eq!(sizes().unwrap(), [40], "a large one goes alone");
        assert_eq!(sizes().unwrap(), [1]);
        assert_eq!(sizes(), None);
        let mut next = lane.wait(waiting(3)).unwrap();
        drop(writer);
        assert_eq!(next.next().unwrap().len(), 1, "who is done takes nothing from the next one");
    }

    #[test]
    fn nobody_waits_for_a_writer_that_died() {
        let lane = Arc::new(Lane::default());
        let (answer, mut answered) = oneshot::channel();
        let writer = lane.wait(waiting(1)).unwrap();
        assert!(lane.wait(Waiting { entries: Vec::new(), answer }).is_none());
        drop(writer);
        assert!(matches!(answered.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
        assert!(lane.wait(waiting(1)).is_some());
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
