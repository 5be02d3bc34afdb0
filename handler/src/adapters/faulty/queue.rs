use async_trait::async_trait;

use super::Faulty;
use crate::ports::{Outgoing, Queue, QueueError};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: Queue + ?Sized> Queue for Faulty<P> {
    async fn send(&self, message: Outgoing) -> Result<(), QueueError> {
        self.call("queue.send", self.inner.send(message)).await
    }

    async fn check(&self) -> Result<(), QueueError> {
        self.call("queue.check", self.inner.check()).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Faults, Mode};
    use super::*;
    use crate::adapters::queue::{Limits, MemoryQueue};
    use crate::ports::Entity;

    #[tokio::test]
    async fn an_outage_lasts_until_it_is_lifted() {
        let (inner, faults) = (Arc::new(MemoryQueue::new(Limits::MEMORY)), Faults::default());
        let queue = Faulty::new(Arc::clone(&inner), faults.clone());
        let message = || Outgoing {
            entity: Entity::Queue,
            message_id: "1".into(),
            session_id: "tea".into(),
            body: bytes::Bytes::from_static(b"{}"),
            properties: Default::default(),
        };
        faults.set(Mode::FailAll);
        for _ in 0..3 {
            assert!(matches!(queue.send(message()).await, Err(QueueError::Unavailable { .. })));
            assert!(queue.check().await.is_err());
        }
        assert_eq!(inner.counts().depth, 0);
        faults.set(Mode::Quiet);
        queue.check().await.unwrap();
        queue.send(message()).await.unwrap();
        assert_eq!((inner.counts().depth, faults.calls("queue.send")), (1, 4));
    }
}
