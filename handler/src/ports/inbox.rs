use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::model::{ConversationId, Marker, NewMessage, Timestamp, UserId};

/// The direct messages a user has not yet acknowledged, oldest first.
///
/// # Contract
/// An `Ok` is durable and visible to every later call. A row that is done stays as done until its marker's end
/// (90 days after `at`), so storing the same message again restores nothing.
#[async_trait]
pub trait Inbox: Send + Sync {
    /// Stores the item unless its key is there, done or not.
    async fn put(&self, receiver: &UserId, item: &InboxItem) -> Result<(), StoreError>;

    /// Items that are not done, ascending by key, at most `limit`: those after `after`, or, with `before`, the last
    /// ones before it.
    async fn list(
        &self,
        receiver: &UserId,
        after: Option<InboxKey>,
        before: Option<InboxKey>,
        limit: usize,
    ) -> Result<Vec<InboxItem>, StoreError>;

    /// Marks as done the items with one of the keys, or whose message has one of the ids. Answers how many it changed.
    async fn acknowledge(&self, receiver: &UserId, ids: &[String]) -> Result<usize, StoreError>;

    /// Marks as done the items of a conversation with `seq` ≤ `up_to`. Answers how many it changed.
    async fn acknowledge_read(
        &self,
        receiver: &UserId,
        conversation: &ConversationId,
        up_to: u64,
    ) -> Result<usize, StoreError>;
}

/// Place of an item in its inbox: when the log stored the message, then its marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InboxKey {
    pub at: Timestamp,
    pub marker: Marker,
}

impl InboxKey {
    /// Not after any other key.
    pub const FIRST: Self = Self { at: Timestamp::from_millis(0), marker: Marker::from_bytes([0; 32]) };

    /// `2026-11-21T09-37-09.123Z_<64 hex digits>`: the row key, and the opaque cursor of a page.
    #[must_use]
    pub fn to_text(self) -> String {
        format!("{}_{}", self.at.to_string().replace(':', "-"), self.marker)
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (at, marker) = text.split_once('_')?;
        let (day, time) = at.split_once('T')?;
        let at = Timestamp::parse(&format!("{day}T{}", time.replace('-', ":")))?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(marker, &mut bytes).ok()?;
        Some(Self { at, marker: Marker::from_bytes(bytes) })
    }
}

/// A direct message as it waits for its receiver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InboxItem {
    pub conversation: ConversationId,
    pub seq: u64,
    pub number: u64,
    /// When the log stored it.
    pub at: Timestamp,
    pub message: NewMessage,
}

impl InboxItem {
    #[must_use]
    pub fn key(&self) -> InboxKey {
        let marker = Marker::new(&self.conversation, &self.message.sender, &self.message.id);
        InboxKey { at: self.at, marker }
    }
}
