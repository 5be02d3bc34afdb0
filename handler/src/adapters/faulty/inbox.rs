use async_trait::async_trait;

use super::Faulty;
use crate::model::{ConversationId, UserId};
use crate::ports::{Inbox, InboxItem, InboxKey, StoreError};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: Inbox + ?Sized> Inbox for Faulty<P> {
    async fn put(&self, receiver: &UserId, item: &InboxItem) -> Result<(), StoreError> {
        self.call("inbox.put", self.inner.put(receiver, item)).await
    }

    async fn list(
        &self,
        receiver: &UserId,
        after: Option<InboxKey>,
        before: Option<InboxKey>,
        limit: usize,
    ) -> Result<Vec<InboxItem>, StoreError> {
        self.call("inbox.list", self.inner.list(receiver, after, before, limit)).await
    }

    async fn acknowledge(&self, receiver: &UserId, ids: &[String]) -> Result<usize, StoreError> {
        self.call("inbox.acknowledge", self.inner.acknowledge(receiver, ids)).await
    }

    async fn acknowledge_read(
        &self,
        receiver: &UserId,
        conversation: &ConversationId,
        up_to: u64,
    ) -> Result<usize, StoreError> {
        self.call("inbox.acknowledge_read", self.inner.acknowledge_read(receiver, conversation, up_to)).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::Faults;
    use super::*;
    use crate::adapters::memory::MemoryInbox;

    crate::contract_suite!(inbox, || Faulty::new(Arc::new(MemoryInbox::new()), Faults::default()));
}
