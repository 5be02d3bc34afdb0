use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::core::Core;
use super::sessions::Item;
use super::{Counts, Limits, size_of};
use crate::ports::{Deliveries, Delivery, Outgoing, Queue, QueueError, Received};

/// A queue that lives as long as the process. Clones share it.
#[derive(Clone)]
pub struct MemoryQueue {
    core: Arc<Core<Arc<Received>>>,
}

impl MemoryQueue {
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { core: Arc::new(Core::new(limits)) }
    }

    #[must_use]
    pub fn counts(&self) -> Counts {
        self.core.counts()
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn send(&self, message: Outgoing) -> Result<(), QueueError> {
        let bytes = size_of(&message)?;
        let session = message.session_id.clone();
        self.core.append(&session, bytes, |sequence| {
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
        self.core.check()
    }
}

#[async_trait]
impl Deliveries for MemoryQueue {
    async fn receive(&self, max: usize) -> Vec<Box<dyn Delivery>> {
        let batch = self.core.next(max).await;
        let deliver = |item: Item<Arc<Received>>| {
            let mut message = item.place;
            if message.attempt != item.attempt {
                Arc::make_mut(&mut message).attempt = item.attempt;
            }
            Box::new(InMemory {
                core: self.core.clone(),
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
    core: Arc<Core<Arc<Received>>>,
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
        self.core.renew(&self.session, self.hold)
    }

    async fn complete(mut self: Box<Self>) -> Result<(), QueueError> {
        self.settled = true;
        self.core.complete(&self.session, self.hold, self.sequence).map(drop)
    }

    async fn abandon(mut self: Box<Self>, delay: Duration) {
        self.settled = true;
        self.core.give_back(&self.session, self.hold, self.sequence, delay);
    }
}

impl Drop for InMemory {
    fn drop(&mut self) {
        if !self.settled {
            self.core.give_back(&self.session, self.hold, self.sequence, Duration::ZERO);
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
