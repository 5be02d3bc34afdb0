//! What is done with one thing within this process, one behind the other. Changes of a room's row: each would find it changed by
//! another, and begin anew, as often as there are others. Letters of a conversation: one that is discarded is not delivered.

use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustc_hash::FxHashMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Keys kept before those are forgotten that nobody waits for.
const CAPACITY: usize = 1_024;

pub(super) struct Turns<K>(Mutex<FxHashMap<K, Weak<Semaphore>>>);

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// The turn lasts until this is dropped.
pub(super) struct Turn {
    _permit: Option<OwnedSemaphorePermit>,
}

impl<K: Clone + Eq + Hash> Turns<K> {
    /// Waits for its turn with the key, first come, first served.
    pub(super) async fn take(&self, key: &K) -> Turn {
        Turn { _permit: self.queue(key).acquire_owned().await.ok() }
    }

    /// Whoever waits or has the turn keeps the queue alive.
    fn queue(&self, key: &K) -> Arc<Semaphore> {
        let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.get(key).and_then(Weak::upgrade) {
            return queue;
        }
        if queues.len() >= CAPACITY {
            queues.retain(|_, queue| queue.strong_count() > 0);
        }
        let queue = Arc::new(Semaphore::new(1));
        queues.insert(key.clone(), Arc::downgrade(&queue));
        queue
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::contract::data::room_id;

    #[tokio::test]
    async fn turns_of_one_key_follow_each_other_and_leave_nothing_behind() {
        let turns = Turns::default();
        let first = turns.take(&room_id("tea")).await;
        let tea = room_id("tea");
        let second = turns.take(&tea);
        tokio::pin!(second);
        assert!((&mut second).now_or_never().is_none());
        drop(turns.take(&room_id("mate")).await);
        drop(first);
        assert!((&mut second).now_or_never().is_some());
        for n in 0..3 * CAPACITY {
            drop(turns.take(&room_id(&format!("room-{n}"))).await);
        }
        assert!(turns.0.lock().unwrap().len() <= CAPACITY);
    }
}
