use async_trait::async_trait;

use super::{Around, Call, Wrapped};
use crate::ports::{Outgoing, Queue, QueueError};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: Queue + ?Sized, W: Around> Queue for Wrapped<P, W> {
    async fn send(&self, message: Outgoing) -> Result<(), QueueError> {
        self.call(Call::again("queue.send"), || self.inner.send(message.clone())).await
    }

    async fn check(&self) -> Result<(), QueueError> {
        self.call(Call::once("queue.check"), || self.inner.check()).await
    }
}
