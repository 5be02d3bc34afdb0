use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::model::Timestamp;

/// The largest message every queue takes: body, ids and properties together, in bytes (Service Bus Standard).
pub const MESSAGE_BYTES: usize = 256 * 1024;

/// Where accepted messages wait.
///
/// # Contract
/// `Ok` of `send` means the queue has the message durably (by the adapter's own standard) and will deliver it at least
/// once, in sending order within its session. An error means it may or may not have it; sending again is safe, because
/// the log drops the repeat by its marker.
#[async_trait]
pub trait Queue: Send + Sync {
    async fn send(&self, message: Outgoing) -> Result<(), QueueError>;

    /// Whether a send could succeed now, without sending.
    async fn check(&self) -> Result<(), QueueError>;
}

/// The receiving side, where no Functions host does it for us.
///
/// # Contract
/// Messages of one session are handed out in sending order, to one holder at a time; sessions are independent of each
/// other. A message is handed out again, with its `attempt` one higher, when its delivery is abandoned, dropped, or not
/// settled within the lock duration.
#[async_trait]
pub trait Deliveries: Send + Sync {
    /// Waits for a session with messages and takes up to `max` of its next ones, in order; they share the session's
    /// lock. Never answers an empty list. Cancel-safe: nothing is taken by a call that is dropped.
    async fn receive(&self, max: usize) -> Vec<Box<dyn Delivery>>;
}

/// One message in hand. Finishing consumes it; dropping it unfinished abandons it.
#[async_trait]
pub trait Delivery: Send + Sync {
    fn message(&self) -> &Received;

    /// Starts the lock of its session anew, for all deliveries that share it. `false`: the lock is lost, and somebody
    /// else may have the message.
    async fn renew(&self) -> bool;

    /// Removes the message from the queue. On error it will be delivered again.
    async fn complete(self: Box<Self>) -> Result<(), QueueError>;

    /// Gives it back: it comes again after `delay`, and everything behind it in its session waits for it.
    async fn abandon(self: Box<Self>, delay: Duration);
}

/// The two ways in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entity {
    /// `chat-queue`: direct messages.
    Queue,
    /// `chat-topic`: room messages.
    Topic,
}

/// Application properties, by name.
pub type Properties = BTreeMap<String, String>;

#[derive(Clone, Debug)]
pub struct Outgoing {
    pub entity: Entity,
    /// The marker in hex: the broker's duplicate detection compares it.
    pub message_id: String,
    /// The conversation: order holds within it.
    pub session_id: String,
    pub body: Bytes,
    pub properties: Properties,
}

impl Outgoing {
    /// What counts for [`MESSAGE_BYTES`].
    #[must_use]
    pub fn size(&self) -> usize {
        let properties: usize = self.properties.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.body.len() + self.message_id.len() + self.session_id.len() + properties
    }
}

/// A message as a trigger or the embedded queue hands it over. All of it is the broker's own word, none of it the body's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub entity: Entity,
    pub message_id: Option<String>,
    pub session_id: Option<String>,
    pub sequence_number: Option<u64>,
    /// When the queue took it, where it tells. What bounds the age of a message that brings no time of its own.
    pub enqueued_at: Option<Timestamp>,
    pub properties: Properties,
    pub body: Bytes,
    /// 1 for the first delivery. Never fewer than there were: a queue that cannot tell whether it had handed the message
    /// out before it died counts that it had.
    pub attempt: u32,
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// Not accepted, or not known to be: worth another try, after `retry_after` where the broker named one.
    #[error("the queue is unavailable")]
    Unavailable {
        retry_after: Option<Duration>,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The broker's limit, in bytes.
    #[error("the message is larger than the queue's {limit} bytes")]
    TooLarge { limit: usize },
}

impl QueueError {
    pub fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable { retry_after: None, source: source.into() }
    }
}
