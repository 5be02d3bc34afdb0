use async_trait::async_trait;

use super::{Around, Call, Wrapped};
use crate::model::{ConversationId, UserId};
use crate::ports::{Inbox, InboxItem, InboxKey, StoreError};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: Inbox + ?Sized, W: Around> Inbox for Wrapped<P, W> {
    async fn put(&self, receiver: &UserId, item: &InboxItem) -> Result<(), StoreError> {
        self.call(Call::again("inbox.put"), || self.inner.put(receiver, item)).await
    }

    async fn list(
        &self,
        receiver: &UserId,
        after: Option<InboxKey>,
        before: Option<InboxKey>,
        limit: usize,
    ) -> Result<Vec<InboxItem>, StoreError> {
        self.call(Call::again("inbox.list"), || self.inner.list(receiver, after, before, limit)).await
    }

    async fn acknowledge(&self, receiver: &UserId, ids: &[String]) -> Result<usize, StoreError> {
        self.call(Call::once("inbox.acknowledge"), || self.inner.acknowledge(receiver, ids)).await
    }

    async fn acknowledge_read(
        &self,
        receiver: &UserId,
        conversation: &ConversationId,
        up_to: u64,
    ) -> Result<usize, StoreError> {
        self.call(Call::once("inbox.acknowledge_read"), || {
            self.inner.acknowledge_read(receiver, conversation, up_to)
        })
        .await
    }
}
