use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Entity, Properties, StoreError};
use crate::model::{Timestamp, UserId};

/// Accepted messages that have not reached their log, with the reason, for people to see and to replay.
///
/// # Contract
/// An `Ok` is durable and visible to every later call. Each call may be repeated.
#[async_trait]
pub trait DeadLetters: Send + Sync {
    /// Stores the letter under its id, unless one is there.
    async fn put(&self, letter: &NewLetter) -> Result<(), StoreError>;

    /// The letter with this id.
    async fn get(&self, kind: LetterKind, id: &str) -> Result<Option<Letter>, StoreError>;

    /// Letters of a kind, oldest first, after the cursor (an id from a former page), at most `limit`.
    async fn list(
        &self,
        kind: LetterKind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Letter>, StoreError>;

    /// Says how its replays went so far; all else of it stays. Nothing happens where there is no such letter: one that was
    /// removed does not come back.
    async fn note_replays(&self, kind: LetterKind, id: &str, replays: &Replays) -> Result<(), StoreError>;

    /// Removes the letter and answers it. Called after its replay was appended, or to discard it.
    async fn remove(&self, kind: LetterKind, id: &str) -> Result<Option<Letter>, StoreError>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LetterKind {
    /// Well formed, and refused by the state of its conversation (room gone, banned, muted since).
    Rejected,
    /// Cannot be read as a message, or is too old to be one.
    Dead,
    /// Well formed, and its queue gave it up: it is replayed from time to time.
    Waiting,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewLetter {
    pub kind: LetterKind,
    /// What makes it the same letter: the message's marker, the broker's MessageId, or entity and sequence number.
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
    /// What else the broker said of it, by which it is read again as the same message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence_number: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enqueued_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Properties::is_empty")]
    pub properties: Properties,
    /// When it became a letter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked_at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// Its place in the list: time, then key. Opaque to callers.
    pub id: String,
    #[serde(flatten)]
    pub letter: NewLetter,
    #[serde(default, skip_serializing_if = "Replays::is_none")]
    pub replays: Replays,
}

/// What was tried with a letter since it is one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replays {
    pub count: u32,
    /// Not before then by itself; people may at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
    /// The last ones, oldest first.
    pub last: Vec<Replay>,
}

/// One try that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    pub at: Timestamp,
    pub by: UserId,
    pub code: String,
}

impl LetterKind {
    pub const ALL: [Self; 3] = [Self::Rejected, Self::Dead, Self::Waiting];

    /// The kind behind this one in [`Self::ALL`].
    #[must_use]
    pub fn next(self) -> Option<Self> {
        Self::ALL.into_iter().skip_while(|kind| *kind != self).nth(1)
    }

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Dead => "dead",
            Self::Waiting => "waiting",
        }
    }
}

impl NewLetter {
    /// The id it is stored under. The time has a fixed width, so ids sort by it.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}_{}", self.at, self.key)
    }
}

impl Letter {
    #[must_use]
    pub fn new(letter: NewLetter) -> Self {
        Self { id: letter.id(), letter, replays: Replays::default() }
    }
}

impl Replays {
    /// The pause behind the first failure, and the longest.
    const FIRST_PAUSE: Duration = Duration::from_secs(60);
    const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 60 * 60);
    /// Tries that are told of.
    const TOLD: usize = 20;

    fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// With one more try that failed. The pause doubles with each.
    #[must_use]
    pub fn failed(mut self, at: Timestamp, by: &UserId, code: &str) -> Self {
        let doublings = self.count.min(16);
        let pause = (Self::FIRST_PAUSE * 2_u32.pow(doublings)).min(Self::LONGEST_PAUSE);
        let pause = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        self.count = self.count.saturating_add(1);
        self.next_at = Some(Timestamp::from_millis(at.millis().saturating_add(pause)));
        if self.last.len() >= Self::TOLD {
            self.last.drain(..=self.last.len() - Self::TOLD);
        }
        self.last.push(Replay { at, by: by.clone(), code: code.to_owned() });
        self
    }

    #[must_use]
    pub fn are_due(&self, now: Timestamp) -> bool {
        self.next_at.is_none_or(|next| next <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_ceiling_and_the_last_tries_are_told() {
        let (by, at) = (UserId::system(), Timestamp::from_millis(1_000));
        let mut replays = Replays::default();
        assert!(replays.are_due(at));
        let mut pauses = Vec::new();
        for n in 0..30 {
            replays = replays.failed(at, &by, &n.to_string());
            pauses.push((replays.next_at.unwrap().millis() - at.millis()) / 1_000);
        }
        assert_eq!(pauses[..4], [60, 120, 240, 480]);
        assert_eq!(pauses[9..], [21_600; 21]);
        assert_eq!((replays.count, replays.last.len()), (30, 20));
        let told: Vec<_> = replays.last.iter().map(|replay| replay.code.as_str()).collect();
        assert_eq!((told[0], told[19]), ("10", "29"));
        assert!(!replays.are_due(at) && replays.are_due(replays.next_at.unwrap()));
    }
}
