use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::core::Core;
use super::sessions::Item;
use super::{Counts, DeadLetter, Limits, size_of};
use crate::ports::{Deliveries, Delivery, Outgoing, Queue, QueueError, Received};

/// A queue that lives as long as the process. Clones share it.
#[derive(Clone)]
pub struct MemoryQueue {
    shared: Arc<Shared>,
}

struct Shared {
    core: Core<Arc<Received>>,
    /// With the bytes each of them counts for.
    dead: Mutex<BTreeMap<u64, (DeadLetter, usize)>>,
}

impl Shared {
    fn dead(&self) -> MutexGuard<'_, BTreeMap<u64, (DeadLetter, usize)>> {
        self.dead.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryQueue {
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { shared: Arc::new(Shared { core: Core::new(limits), dead: Mutex::default() }) }
    }

    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.core.counts()
    }

    /// Dead letters by ascending sequence number, those after `after`, at most `limit`.
    #[must_use]
    pub fn dead_letters(&self, after: u64, limit: usize) -> Vec<DeadLetter> {
        let dead = self.shared.dead();
        dead.range(after.saturating_add(1)..).take(limit).map(|(_, (letter, _))| letter.clone()).collect()
    }

    /// Removes a dead letter for good. Answers whether it was there.
    pub fn remove_dead_letter(&self, sequence: u64) -> bool {
        let removed = self.shared.dead().remove(&sequence);
        if let Some((_, bytes)) = &removed {
            self.shared.core.remove_dead(*bytes);
        }
        removed.is_some()
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn send(&self, message: Outgoing) -> Result<(), QueueError> {
        let bytes = size_of(&message)?;
        let session = message.session_id.clone();
        self.shared.core.append(&session, bytes, |sequence| {
            Arc::new(Received {
                entity: message.entity,
                message_id: Some(message.message_id),
                session_id: Some(message.session_id),
                sequence_number: Some(sequence),
                enqueued_at: None,
                properties: message.properties,
                body: message.body,
                attempt: 1,
            })
        })
    }

    async fn check(&self) -> Result<(), QueueError> {
        self.shared.core.check()
    }
}

#[async_trait]
impl Deliveries for MemoryQueue {
    async fn receive(&self, max: usize) -> Vec<Box<dyn Delivery>> {
        let batch = self.shared.core.next(max).await;
        let deliver = |item: Item<Arc<Received>>| {
            let mut message = item.place;
            if message.attempt != item.attempt {
                Arc::make_mut(&mut message).attempt = item.attempt;
            }
            Box::new(InMemory {
                shared: self.shared.clone(),
                session: batch.session.clone(),
                hold: batch.hold,
                sequence: item.sequence,
                message,
                settled: false,
            }) as Box<dyn Delivery>
        };
        batch.items.into_iter().map(deliver).collect()
    }
}

struct InMemory {
    shared: Arc<Shared>,
    session: Arc<str>,
    hold: u64,
    sequence: u64,
    message: Arc<Received>,
    settled: bool,
}

#[async_trait]
impl Delivery for InMemory {
    fn message(&self) -> &Received {
        &self.message
    }

    async fn renew(&self) -> bool {
        self.shared.core.renew(&self.session, self.hold)
    }

    async fn complete(mut self: Box<Self>) -> Result<(), QueueError> {
        self.settled = true;
        self.shared.core.complete(&self.session, self.hold, self.sequence).map(drop)
    }

    async fn abandon(mut self: Box<Self>, delay: Duration) {
        self.settled = true;
        self.shared.core.give_back(&self.session, self.hold, self.sequence, delay);
    }

    async fn dead_letter(mut self: Box<Self>, reason: &str) -> Result<(), QueueError> {
        self.settled = true;
        let item = self.shared.core.bury(&self.session, self.hold, self.sequence)?;
        let letter = DeadLetter {
            sequence: self.sequence,
            reason: reason.to_owned(),
            message: Some(self.message.as_ref().clone()),
        };
        self.shared.dead().insert(self.sequence, (letter, item.bytes));
        Ok(())
    }
}

impl Drop for InMemory {
    fn drop(&mut self) {
        if !self.settled {
            self.shared.core.give_back(&self.session, self.hold, self.sequence, Duration::ZERO);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::faulty::{Faults, Faulty};
    use crate::contract::queue::{Ends, LOCK};

    fn ends() -> Ends {
        let queue = Arc::new(MemoryQueue::new(Limits { lock: LOCK, ..Limits::MEMORY }));
        Ends { queue: queue.clone(), deliveries: queue }
    }

    crate::contract_suite!(queue, ends);

    mod faulty {
        use super::*;

        fn faulty_ends() -> Ends {
            let Ends { queue, deliveries } = ends();
            Ends { queue: Arc::new(Faulty::new(queue, Faults::default())), deliveries }
        }

        crate::contract_suite!(queue, faulty_ends);
    }
}
