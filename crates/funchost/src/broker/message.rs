//! Messages as the broker keeps them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use time::OffsetDateTime;

/// What a sender says. Names are Service Bus's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Message {
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub body: Vec<u8>,
    /// Made by the broker where the sender gives none.
    pub message_id: String,
    pub session_id: Option<String>,
    pub content_type: Option<String>,
    /// `Label` in the REST call's broker properties.
    pub subject: Option<String>,
    pub correlation_id: Option<String>,
    pub reply_to: Option<String>,
    pub reply_to_session_id: Option<String>,
    pub to: Option<String>,
    pub partition_key: Option<String>,
    /// How long it may wait, in milliseconds; for ever where nothing is said.
    pub time_to_live_ms: Option<u64>,
    /// Application properties in the sender's order.
    pub properties: Vec<(String, Value)>,
}

impl Message {
    /// A message with this body and nothing else.
    #[must_use]
    pub fn new(body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..Self::default() }
    }

    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.message_id = id.into();
        self
    }

    #[must_use]
    pub fn with_session(mut self, session: impl Into<String>) -> Self {
        self.session_id = Some(session.into());
        self
    }

    /// Behind which it becomes a dead letter, wherever it waits then.
    #[must_use]
    pub fn with_time_to_live(mut self, time: std::time::Duration) -> Self {
        self.time_to_live_ms = Some(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// An application property.
    #[must_use]
    pub fn with_property(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.properties.push((name.into(), value.into()));
        self
    }

    pub(crate) fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(known, _)| known == name).and_then(|(_, value)| value.as_str())
    }
}

/// A message in an entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    pub message: Message,
    /// From 1, per entity, in order of arrival.
    pub sequence_number: u64,
    #[serde(with = "milliseconds")]
    pub enqueued: OffsetDateTime,
    /// How often it has been handed out.
    pub delivery_count: u32,
    /// The entity that a dead letter comes from.
    pub dead_letter_source: Option<String>,
}

fn to_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map_err(serde::de::Error::custom)
}

/// A moment as milliseconds since 1970: the broker's clock has no finer ones.
pub(super) mod milliseconds {
    use serde::{Deserialize, Deserializer, Serializer};
    use time::OffsetDateTime;

    pub(in crate::broker) fn of(at: OffsetDateTime) -> i64 {
        i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or_default()
    }

    pub(in crate::broker) fn moment(milliseconds: i64) -> OffsetDateTime {
        let nanoseconds = i128::from(milliseconds) * 1_000_000;
        OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    pub(super) fn serialize<S: Serializer>(at: &OffsetDateTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(of(*at))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<OffsetDateTime, D::Error> {
        i64::deserialize(deserializer).map(moment)
    }
}
