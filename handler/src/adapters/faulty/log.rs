use async_trait::async_trait;

use super::Faulty;
use crate::model::{ConversationId, Head, Marker, MessageState};
use crate::ports::{EntryPage, Log, LogError, MessagePage, NewEntry, Outcome, Page, Position, StoreError};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: Log + ?Sized> Log for Faulty<P> {
    async fn open(&self, conversation: &ConversationId) -> Result<Head, StoreError> {
        self.call("log.open", self.inner.open(conversation)).await
    }

    async fn append(
        &self,
        conversation: &ConversationId,
        entries: Vec<NewEntry>,
    ) -> Result<Vec<Outcome>, LogError> {
        self.call("log.append", self.inner.append(conversation, entries)).await
    }

    async fn find(
        &self,
        conversation: &ConversationId,
        marker: &Marker,
    ) -> Result<Option<Position>, StoreError> {
        self.call("log.find", self.inner.find(conversation, marker)).await
    }

    async fn head(&self, conversation: &ConversationId) -> Result<Option<Head>, StoreError> {
        self.call("log.head", self.inner.head(conversation)).await
    }

    async fn messages(
        &self,
        conversation: &ConversationId,
        page: Page,
        limit: usize,
    ) -> Result<Option<MessagePage>, StoreError> {
        self.call("log.messages", self.inner.messages(conversation, page, limit)).await
    }

    async fn entries(
        &self,
        conversation: &ConversationId,
        after: u64,
        limit: usize,
    ) -> Result<Option<EntryPage>, StoreError> {
        self.call("log.entries", self.inner.entries(conversation, after, limit)).await
    }

    async fn states(
        &self,
        conversation: &ConversationId,
        seqs: &[u64],
    ) -> Result<Vec<MessageState>, StoreError> {
        self.call("log.states", self.inner.states(conversation, seqs)).await
    }

    async fn mark_sent(&self, conversation: &ConversationId, seq: u64) -> Result<(), StoreError> {
        self.call("log.mark_sent", self.inner.mark_sent(conversation, seq)).await
    }

    async fn trim(&self, conversation: &ConversationId, seq: u64) -> Result<(), StoreError> {
        self.call("log.trim", self.inner.trim(conversation, seq)).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Faults, Mode};
    use super::*;
    use crate::adapters::memory::MemoryLog;
    use crate::contract::data::{conversation, marked, message};

    crate::contract_suite!(log, || Faulty::new(Arc::new(MemoryLog::new()), Faults::default()));

    #[tokio::test]
    async fn a_call_fails_before_or_after_its_effect() {
        let (tea, faults) = (conversation("tea"), Faults::default());
        let inner: Arc<dyn Log> = Arc::new(MemoryLog::new());
        let log = Faulty::new(Arc::clone(&inner), faults.clone());
        log.open(&tea).await.unwrap();
        let count = async || inner.head(&tea).await.unwrap().unwrap().count;
        let append = async || log.append(&tea, vec![marked(&tea, "1", message("1", "a"))]).await;

        faults.set(Mode::FailNext(1));
        assert!(append().await.is_err());
        assert_eq!(count().await, 0);
        faults.set(Mode::FailNextAfterEffect(1));
        assert!(append().await.is_err());
        assert_eq!(count().await, 1);
        assert!(matches!(append().await.unwrap()[..], [Outcome::Duplicate { .. }]));
        assert_eq!(faults.calls("log.append"), 3);
    }
}
