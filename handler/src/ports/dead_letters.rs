use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Entity, StoreError};
use crate::model::Timestamp;

/// Accepted messages that will not reach their log, with the reason, for people to see.
///
/// # Contract
/// An `Ok` is durable and visible to every later call. Each call may be repeated.
#[async_trait]
pub trait DeadLetters: Send + Sync {
    /// Stores the letter under its id, unless one is there.
    async fn put(&self, letter: &NewLetter) -> Result<(), StoreError>;

    /// Letters of a kind, oldest first, after the cursor (an id from a former page), at most `limit`.
    async fn list(
        &self,
        kind: LetterKind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Letter>, StoreError>;

    /// Removes the letter and answers it. Called after its replay was appended, or to discard it.
    async fn remove(&self, kind: LetterKind, id: &str) -> Result<Option<Letter>, StoreError>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LetterKind {
    /// Well formed, and refused by the state of its conversation (room gone, banned, muted since).
    Rejected,
    /// Cannot be read as a message, or was delivered too often.
    Dead,
}

impl LetterKind {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Dead => "dead",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewLetter {
    pub kind: LetterKind,
    /// What makes it the same letter: the broker's MessageId, or entity and sequence number.
    pub key: String,
    pub entity: Entity,
    /// Stable code of the reason, such as `invalid_json` or `room_not_found`.
    pub code: String,
    /// The reason as a sentence.
    pub reason: String,
    pub at: Timestamp,
    pub session: Option<String>,
    /// The body exactly as it came, base64 when it is no UTF-8.
    pub body: String,
    pub body_is_base64: bool,
    pub delivery_count: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// Its place in the list: time, then key. Opaque to callers.
    pub id: String,
    #[serde(flatten)]
    pub letter: NewLetter,
}

impl NewLetter {
    /// The id it is stored under. The time has a fixed width, so ids sort by it.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}_{}", self.at, self.key)
    }
}
