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
