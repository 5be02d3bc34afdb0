use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use async_trait::async_trait;

use super::shards::Shards;
use crate::model::{ConversationId, MessageId, UserId};
use crate::ports::{Inbox, InboxItem, InboxKey, StoreError};

/// The inboxes of this process. Of a message that is done only the key is kept.
#[derive(Debug, Default)]
pub struct MemoryInbox {
    receivers: Shards<UserId, Items>,
}

#[derive(Debug, Default)]
struct Items {
    waiting: BTreeMap<InboxKey, InboxItem>,
    /// The waiting ones by message id, which is unique only per sender.
    by_id: BTreeSet<(MessageId, InboxKey)>,
    /// The waiting ones by place in their conversation.
    by_seq: BTreeSet<(ConversationId, u64, InboxKey)>,
    done: BTreeSet<InboxKey>,
}

impl MemoryInbox {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Inbox for MemoryInbox {
    async fn put(&self, receiver: &UserId, item: &InboxItem) -> Result<(), StoreError> {
        let key = item.key();
        let mut receivers = self.receivers.lock(receiver);
        let items = receivers.entry(receiver.clone()).or_default();
        if !items.done.contains(&key) && !items.waiting.contains_key(&key) {
            items.by_id.insert((item.message.id.clone(), key));
            items.by_seq.insert((item.conversation.clone(), item.seq, key));
            items.waiting.insert(key, item.clone());
        }
        Ok(())
    }

    async fn list(
        &self,
        receiver: &UserId,
        after: Option<InboxKey>,
        before: Option<InboxKey>,
        limit: usize,
    ) -> Result<Vec<InboxItem>, StoreError> {
        let receivers = self.receivers.lock(receiver);
        let Some(items) = receivers.get(receiver) else { return Ok(Vec::new()) };
        // One behind the other is an empty page; as a range it would panic.
        if matches!((after, before), (Some(after), Some(before)) if after >= before) {
            return Ok(Vec::new());
        }
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let end = before.map_or(Bound::Unbounded, Bound::Excluded);
        let range = items.waiting.range((start, end)).map(|(_, item)| item.clone());
        if before.is_none() {
            return Ok(range.take(limit).collect());
        }
        let mut page: Vec<_> = range.rev().take(limit).collect();
        page.reverse();
        Ok(page)
    }

    async fn acknowledge(&self, receiver: &UserId, ids: &[String]) -> Result<usize, StoreError> {
        let mut receivers = self.receivers.lock(receiver);
        let Some(items) = receivers.get_mut(receiver) else { return Ok(0) };
        let keys: BTreeSet<InboxKey> = ids.iter().flat_map(|id| items.named(id)).collect();
        Ok(items.finish(keys))
    }

    async fn acknowledge_read(
        &self,
        receiver: &UserId,
        conversation: &ConversationId,
        up_to: u64,
    ) -> Result<usize, StoreError> {
        let mut receivers = self.receivers.lock(receiver);
        let Some(items) = receivers.get_mut(receiver) else { return Ok(0) };
        let keys = items
            .by_seq
            .range((conversation.clone(), 0, InboxKey::FIRST)..)
            .take_while(|(other, seq, _)| other == conversation && *seq <= up_to)
            .map(|(_, _, key)| *key)
            .collect();
        Ok(items.finish(keys))
    }
}

impl Items {
    /// The waiting items a caller means by an id: a key, or a message's id.
    fn named(&self, id: &str) -> Vec<InboxKey> {
        let by_key = InboxKey::parse(id).filter(|key| self.waiting.contains_key(key));
        let by_id = MessageId::new(id).ok().into_iter().flat_map(|id| {
            let first = InboxKey::FIRST;
            self.by_id
                .range((id.clone(), first)..)
                .take_while(move |(other, _)| *other == id)
                .map(|(_, key)| *key)
        });
        by_key.into_iter().chain(by_id).collect()
    }

    fn finish(&mut self, keys: BTreeSet<InboxKey>) -> usize {
        let before = self.waiting.len();
        for key in keys {
            if let Some(item) = self.waiting.remove(&key) {
                self.by_id.remove(&(item.message.id, key));
                self.by_seq.remove(&(item.conversation, item.seq, key));
                self.done.insert(key);
            }
        }
        before - self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::contract_suite!(inbox, MemoryInbox::new);
}
