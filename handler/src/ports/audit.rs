use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

use super::StoreError;
use crate::model::{ConversationId, Origin, RoomId, Timestamp, UserId};

/// What was done by those who may do more than others, for people to look up afterwards.
///
/// # Contract
/// An `Ok` is durable and visible to every later call. Each call may be repeated. A record never changes, but for its
/// outcome, which is settled once; it goes when its time is over, and no other way.
#[async_trait]
pub trait Audit: Send + Sync {
    /// Stores the record, unless one with its key was stored before. Answers where the record of this key stands.
    async fn append(&self, record: &AuditRecord) -> Result<AuditPlace, StoreError>;

    /// Notes how it ended, if the record there has only begun. Nothing happens otherwise, or where there is none.
    async fn settle(&self, place: &AuditPlace, outcome: &AuditOutcome) -> Result<(), StoreError>;

    /// Records by descending place, those before `before`, at most `limit`. `before` need not be there.
    async fn list(&self, before: Option<&AuditPlace>, limit: usize) -> Result<Vec<AuditRecord>, StoreError>;

    /// Removes records of a time before `until`, in any order, at most `limit`; with the last of them their keys, which are
    /// new again then. Answers how many.
    async fn forget(&self, until: Timestamp, limit: usize) -> Result<usize, StoreError>;
}

/// One act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    pub key: AuditKey,
    pub at: Timestamp,
    /// Who did it. None where nobody has proven to be somebody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<UserId>,
    /// Stable name, such as `room.ban`.
    pub action: String,
    /// On whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationId>,
    /// On what, where it is not a person: a message's `seq`, a link's or a letter's id; or what changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Why, in the words of who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// From where.
    pub origin: Origin,
    #[serde(flatten)]
    pub outcome: AuditOutcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum AuditOutcome {
    /// It was about to be done. Where it stays so, a crash or an outage came between, and nobody knows how far it went.
    Begun,
    Done,
    /// It was not done.
    Refused {
        code: String,
    },
}

/// Tells one act from every other: the same act, asked for again, has the same key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuditKey([u8; 16]);

/// Where a record stands: by time, then by key. Its text sorts as places do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuditPlace {
    pub at: Timestamp,
    pub key: AuditKey,
}

impl AuditRecord {
    #[must_use]
    pub const fn place(&self) -> AuditPlace {
        AuditPlace { at: self.at, key: self.key }
    }
}

impl AuditKey {
    /// Of these parts, whose borders count.
    #[must_use]
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part.as_bytes());
        }
        let mut key = [0; 16];
        key.copy_from_slice(&hasher.finalize()[..16]);
        Self(key)
    }

    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Another key; those of greater keys are less, and twice is once.
    #[must_use]
    pub fn inverted(&self) -> Self {
        Self(self.0.map(|byte| !byte))
    }

    /// Reads 32 digits of a key's text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut key = [0; 16];
        hex::decode_to_slice(text, &mut key).ok()?;
        Some(Self(key))
    }
}

impl AuditPlace {
    /// Before every record of this time, and behind all that are older.
    #[must_use]
    pub const fn first_of(at: Timestamp) -> Self {
        Self { at, key: AuditKey([0; 16]) }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (at, key) = text.split_once('_')?;
        let (at, key) = (Timestamp::parse(at)?, AuditKey::parse(key)?);
        Some(Self { at, key })
    }
}

impl fmt::Display for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuditKey({self})")
    }
}

impl fmt::Display for AuditPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.at, self.key)
    }
}

impl Serialize for AuditKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AuditKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("not a key of 32 hex digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back_and_nothing_else_does() {
        let place = AuditPlace { at: Timestamp::from_millis(1_800_000_000_123), key: AuditKey::of(["a"]) };
        assert_eq!(AuditPlace::parse(&place.to_string()), Some(place));
        for text in ["", "_", "x_y", "2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.000Z_ab"] {
            assert_eq!(AuditPlace::parse(text), None, "{text}");
        }
        assert_ne!(AuditKey::of(["a", "b"]), AuditKey::of(["ab"]), "borders count");
    }
}
