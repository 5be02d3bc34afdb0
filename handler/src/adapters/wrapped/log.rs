use async_trait::async_trait;

use super::{Around, Call, Wrapped};
use crate::model::{ConversationId, Head, Marker, MessageState, Timestamp, UserId};
use crate::ports::{EntryPage, Log, LogError, MessagePage, NewEntry, Outcome, Page, Position, StoreError};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: Log + ?Sized, W: Around> Log for Wrapped<P, W> {
    async fn open(&self, conversation: &ConversationId) -> Result<Head, StoreError> {
        self.call(Call::again("log.open"), || self.inner.open(conversation)).await
    }

    async fn append(
        &self,
        conversation: &ConversationId,
        entries: Vec<NewEntry>,
    ) -> Result<Vec<Outcome>, LogError> {
        self.call(Call::once("log.append"), || self.inner.append(conversation, entries.clone())).await
    }

    async fn find(
        &self,
        conversation: &ConversationId,
        marker: &Marker,
    ) -> Result<Option<Position>, StoreError> {
        self.call(Call::again("log.find"), || self.inner.find(conversation, marker)).await
    }

    async fn head(&self, conversation: &ConversationId) -> Result<Option<Head>, StoreError> {
        self.call(Call::again("log.head"), || self.inner.head(conversation)).await
    }

    async fn messages(
        &self,
        conversation: &ConversationId,
        page: Page,
        limit: usize,
    ) -> Result<Option<MessagePage>, StoreError> {
        self.call(Call::again("log.messages"), || self.inner.messages(conversation, page, limit)).await
    }

    async fn entries(
        &self,
        conversation: &ConversationId,
        after: u64,
        limit: usize,
    ) -> Result<Option<EntryPage>, StoreError> {
        self.call(Call::again("log.entries"), || self.inner.entries(conversation, after, limit)).await
    }

    async fn states(
        &self,
        conversation: &ConversationId,
        seqs: &[u64],
    ) -> Result<Vec<MessageState>, StoreError> {
        self.call(Call::again("log.states"), || self.inner.states(conversation, seqs)).await
    }

    async fn mark_sent(&self, conversation: &ConversationId, seq: u64) -> Result<(), StoreError> {
        self.call(Call::again("log.mark_sent"), || self.inner.mark_sent(conversation, seq)).await
    }

    async fn trim(&self, conversation: &ConversationId, seq: u64) -> Result<(), StoreError> {
        self.call(Call::again("log.trim"), || self.inner.trim(conversation, seq)).await
    }

    async fn redact(
        &self,
        conversation: &ConversationId,
        user: &UserId,
        seqs: &[u64],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.call(Call::again("log.redact"), || self.inner.redact(conversation, user, seqs, now)).await
    }

    async fn conversations(
        &self,
        after: Option<&ConversationId>,
        limit: usize,
    ) -> Result<Vec<ConversationId>, StoreError> {
        self.call(Call::again("log.conversations"), || self.inner.conversations(after, limit)).await
    }
}
