//! Events for an event handler: CloudEvents 1.0 over HTTP, with the context in headers.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::Mac;
use http::{HeaderMap, HeaderName, HeaderValue};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::key::AccessKey;
use crate::names::{HubName, is_event_name};

/// Header names, in lower case as `http` keeps them.
pub mod header {
    pub const AWPS_VERSION: &str = "ce-awpsversion";
    pub const SPEC_VERSION: &str = "ce-specversion";
    pub const TYPE: &str = "ce-type";
    pub const SOURCE: &str = "ce-source";
    pub const ID: &str = "ce-id";
    pub const TIME: &str = "ce-time";
    pub const SIGNATURE: &str = "ce-signature";
    pub const HUB: &str = "ce-hub";
    pub const CONNECTION_ID: &str = "ce-connectionid";
    pub const EVENT_NAME: &str = "ce-eventname";
    pub const USER_ID: &str = "ce-userid";
    pub const SUBPROTOCOL: &str = "ce-subprotocol";
    /// In a request the connection's state, in an answer the state from now on.
    pub const CONNECTION_STATE: &str = "ce-connectionstate";
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A client asks to connect; the answer decides.
    Connect,
    Connected,
    Disconnected,
    /// An event that a client sent, by name. Frames of simple clients are `message`.
    User(String),
}

impl EventKind {
    /// The name in `ce-eventname` and in URL templates.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Connect => "connect",
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
            Self::User(name) => name,
        }
    }

    /// The value of `ce-type`.
    #[must_use]
    pub fn ce_type(&self) -> String {
        let class = if matches!(self, Self::User(_)) { "user" } else { "sys" };
        format!("azure.webpubsub.{class}.{}", self.name())
    }

    /// Reads a `ce-type`, whose fixed part is compared without case.
    #[must_use]
    pub fn from_ce_type(text: &str) -> Option<Self> {
        let (class, name) = strip_prefix_ignore_case(text, "azure.webpubsub.")?.split_once('.')?;
        if class.eq_ignore_ascii_case("user") {
            return is_event_name(name).then(|| Self::User(name.to_owned()));
        }
        let system = [Self::Connect, Self::Connected, Self::Disconnected];
        let is_system = class.eq_ignore_ascii_case("sys");
        system.into_iter().find(|kind| is_system && kind.name().eq_ignore_ascii_case(name))
    }
}

/// The context of an event: everything but its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventContext {
    pub kind: EventKind,
    pub hub: HubName,
    pub connection_id: String,
    /// `None` for anonymous clients. An empty user id is not sent, so it is read as none.
    pub user_id: Option<String>,
    /// Counts the events of a connection, from 0.
    pub id: String,
    /// Seconds since the epoch.
    pub time: Option<u64>,
    /// What the connection speaks; not known to `connect`.
    pub subprotocol: Option<String>,
    /// Opaque to the service; see [`encode_state`] for what SDKs make of it.
    pub state: Option<String>,
    /// See [`signature`].
    pub signature: Option<String>,
}

/// A header is missing, or what it says makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The header `{0}` is missing or invalid.")]
pub struct InvalidHeader(pub &'static str);

impl EventContext {
    /// Where the event comes from: `ce-source`.
    #[must_use]
    pub fn source(&self) -> String {
        format!("/hubs/{}/client/{}", self.hub, self.connection_id)
    }

    /// Writes the `ce-` headers. Fails on a value that no header can carry, such as a line break in a user id.
    pub fn write_headers(&self, headers: &mut HeaderMap) -> Result<(), InvalidHeader> {
        let mut put = |name: &'static str, value: &str| {
            // Bytes beyond ASCII are written as UTF-8.
            let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| InvalidHeader(name))?;
            headers.insert(HeaderName::from_static(name), value);
            Ok(())
        };
        put(header::SPEC_VERSION, "1.0")?;
        put(header::AWPS_VERSION, "1.0")?;
        put(header::TYPE, &self.kind.ce_type())?;
        put(header::SOURCE, &self.source())?;
        put(header::ID, &self.id)?;
        put(header::HUB, self.hub.as_str())?;
        put(header::CONNECTION_ID, &self.connection_id)?;
        put(header::EVENT_NAME, self.kind.name())?;
        if let Some(time) = self.time.and_then(format_time) {
            put(header::TIME, &time)?;
        }
        let optional = [
            (header::SIGNATURE, &self.signature),
            (header::USER_ID, &self.user_id),
            (header::SUBPROTOCOL, &self.subprotocol),
            (header::CONNECTION_STATE, &self.state),
        ];
        for (name, value) in optional {
            if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
                put(name, value)?;
            }
        }
        Ok(())
    }

    /// Reads the `ce-` headers, each of which may stand once, and holds what is said twice against itself. The signature is
    /// read, not verified.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, InvalidHeader> {
        for version in [header::SPEC_VERSION, header::AWPS_VERSION] {
            if optional(headers, version)?.is_some_and(|version| version != "1.0") {
                return Err(InvalidHeader(version));
            }
        }
        let event = Self::read(headers)?;
        let source = optional(headers, header::SOURCE)?;
        if source.is_some_and(|source| !source.eq_ignore_ascii_case(&event.source())) {
            return Err(InvalidHeader(header::SOURCE));
        }
        let name = optional(headers, header::EVENT_NAME)?;
        if name.is_some_and(|name| !name.eq_ignore_ascii_case(event.kind.name())) {
            return Err(InvalidHeader(header::EVENT_NAME));
        }
        Ok(event)
    }

    fn read(headers: &HeaderMap) -> Result<Self, InvalidHeader> {
        let kind = EventKind::from_ce_type(&required(headers, header::TYPE)?);
        let hub = HubName::new(&required(headers, header::HUB)?);
        let time = optional(headers, header::TIME)?.map(|text| parse_time(&text)).transpose()?;
        Ok(Self {
            kind: kind.ok_or(InvalidHeader(header::TYPE))?,
            hub: hub.map_err(|_| InvalidHeader(header::HUB))?,
            connection_id: required(headers, header::CONNECTION_ID)?,
            user_id: optional(headers, header::USER_ID)?,
            id: required(headers, header::ID)?,
            time,
            subprotocol: optional(headers, header::SUBPROTOCOL)?,
            state: optional(headers, header::CONNECTION_STATE)?,
            signature: optional(headers, header::SIGNATURE)?,
        })
    }
}

/// The value of `ce-signature`: for each key `sha256=` and the lower-case hex HMAC of the connection id, in a comma
/// list. The body is not signed.
#[must_use]
pub fn signature(keys: &[AccessKey], connection_id: &str) -> String {
    let one = |key: &AccessKey| {
        format!("sha256={}", hex::encode(key.hmac(connection_id.as_bytes()).finalize().into_bytes()))
    };
    keys.iter().map(one).collect::<Vec<_>>().join(",")
}

/// Whether any signature in a `ce-signature` was made by any of `keys`. Compares in constant time.
#[must_use]
pub fn verify_signature(keys: &[AccessKey], connection_id: &str, signature: &str) -> bool {
    signature
        .split(',')
        .filter_map(|item| hex::decode(item.trim().strip_prefix("sha256=")?).ok())
        .any(|given| keys.iter().any(|key| key.hmac(connection_id.as_bytes()).verify_slice(&given).is_ok()))
}

/// A JSON value as connection state: base64 of its text, as the SDKs write it.
#[must_use]
pub fn encode_state(value: &serde_json::Value) -> String {
    BASE64_STANDARD.encode(value.to_string())
}

/// The JSON value in a connection state; `None` if it was not made by [`encode_state`] or an SDK.
#[must_use]
pub fn decode_state(state: &str) -> Option<serde_json::Value> {
    let bytes = BASE64_STANDARD.decode(state).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn optional(headers: &HeaderMap, name: &'static str) -> Result<Option<String>, InvalidHeader> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() || value.len() > max_bytes(name) {
        return Err(InvalidHeader(name));
    }
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| InvalidHeader(name))?;
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

/// Longer ones are nobody's: a user id has 128 characters at most, and a signature one digest per key.
fn max_bytes(name: &str) -> usize {
    match name {
        header::CONNECTION_STATE => 64 * 1024,
        header::ID | header::CONNECTION_ID | header::TIME => 128,
        _ => 1024,
    }
}

fn required(headers: &HeaderMap, name: &'static str) -> Result<String, InvalidHeader> {
    optional(headers, name)?.ok_or(InvalidHeader(name))
}

fn format_time(secs: u64) -> Option<String> {
    OffsetDateTime::from_unix_timestamp(i64::try_from(secs).ok()?).ok()?.format(&Rfc3339).ok()
}

fn parse_time(text: &str) -> Result<u64, InvalidHeader> {
    let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| InvalidHeader(header::TIME))?;
    u64::try_from(time.unix_timestamp()).map_err(|_| InvalidHeader(header::TIME))
}

fn strip_prefix_ignore_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
