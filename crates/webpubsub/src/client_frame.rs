//! Frames that a client sends over a JSON subprotocol.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::json;
use crate::metadata::Metadata;
use crate::names::{is_event_name, is_group_name};
use crate::payload::{JsonText, Payload, decode_base64};

/// The longest `ttlSeconds`.
pub const MAX_TTL_SECS: u16 = 300;
/// The longest `invocationId`, in bytes. Ours: no public page names a limit.
pub const MAX_INVOCATION_ID: usize = 256;

/// A request of a client. Names are checked; permissions are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientFrame<'a> {
    JoinGroup {
        group: Cow<'a, str>,
        ack_id: Option<u64>,
    },
    LeaveGroup {
        group: Cow<'a, str>,
        ack_id: Option<u64>,
    },
    SendToGroup {
        group: Cow<'a, str>,
        ack_id: Option<u64>,
        /// Do not deliver to the connection that sends.
        no_echo: bool,
        /// How long the message may wait for a receiver that lost its transport; 0 sets no limit of its own.
        ttl_secs: u16,
        payload: Payload,
        metadata: Metadata,
    },
    /// An event for the event handler.
    Event {
        event: Cow<'a, str>,
        ack_id: Option<u64>,
        payload: Payload,
        metadata: Metadata,
    },
    /// All messages up to this one have been processed. Only reliable connections heed it.
    SequenceAck {
        sequence_id: u64,
    },
    Ping,
    /// An event whose answer comes back in an `invokeResponse` of the same id.
    Invoke {
        invocation_id: Cow<'a, str>,
        event: Cow<'a, str>,
        payload: Payload,
        metadata: Metadata,
    },
    CancelInvocation {
        invocation_id: Cow<'a, str>,
    },
}

/// The frame breaks the protocol: the connection is closed with
/// [`Close::MalformedFrame`](crate::close::Close::MalformedFrame). The service says no more than that, whatever is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The client message is not a valid JSON protocol message.")]
pub struct Malformed;

impl<'a> ClientFrame<'a> {
    /// Reads a text frame.
    ///
    /// Field names are compared with case, the values of `type` and `dataType` without. Of a repeated field the last
    /// one counts, unknown fields are ignored, and an optional field may be `null`. Streams, group state and protobuf
    /// data are not known and therefore malformed.
    pub fn parse(text: &'a str) -> Result<Self, Malformed> {
        if json::too_deep(text) {
            return Err(Malformed);
        }
        let fields: Fields<'a> = serde_json::from_str(text).map_err(|_| Malformed)?;
        let kind = required_string(fields.kind)?;
        let is = |name: &str| kind.eq_ignore_ascii_case(name);
        if is("sendToGroup") {
            fields.send_to_group()
        } else if is("event") {
            fields.event()
        } else if is("sequenceAck") {
            Ok(Self::SequenceAck { sequence_id: optional_u64(fields.sequence_id)?.ok_or(Malformed)? })
        } else if is("ping") {
            Ok(Self::Ping)
        } else if is("joinGroup") {
            Ok(Self::JoinGroup { group: fields.group()?, ack_id: fields.ack_id()? })
        } else if is("leaveGroup") {
            Ok(Self::LeaveGroup { group: fields.group()?, ack_id: fields.ack_id()? })
        } else if is("invoke") {
            fields.invoke()
        } else if is("cancelInvocation") {
            Ok(Self::CancelInvocation { invocation_id: fields.invocation_id()? })
        } else {
            Err(Malformed)
        }
    }

    /// The id under which the client wants an answer.
    #[must_use]
    pub fn ack_id(&self) -> Option<u64> {
        match self {
            Self::JoinGroup { ack_id, .. }
            | Self::LeaveGroup { ack_id, .. }
            | Self::SendToGroup { ack_id, .. }
            | Self::Event { ack_id, .. } => *ack_id,
            Self::SequenceAck { .. } | Self::Ping | Self::Invoke { .. } | Self::CancelInvocation { .. } => {
                None
            }
        }
    }
}

/// The fields of a frame, not yet understood: a field of the wrong type only matters to the frames that use it.
#[derive(Default)]
struct Fields<'a> {
    kind: Option<&'a RawValue>,
    group: Option<&'a RawValue>,
    ack_id: Option<&'a RawValue>,
    no_echo: Option<&'a RawValue>,
    ttl_seconds: Option<&'a RawValue>,
    data_type: Option<&'a RawValue>,
    data: Option<&'a RawValue>,
    metadata: Option<&'a RawValue>,
    stream: Option<&'a RawValue>,
    event: Option<&'a RawValue>,
    sequence_id: Option<&'a RawValue>,
    invocation_id: Option<&'a RawValue>,
    target: Option<&'a RawValue>,
}

impl<'a> Fields<'a> {
    fn send_to_group(&self) -> Result<ClientFrame<'a>, Malformed> {
        if !is_absent(self.stream) {
            return Err(Malformed);
        }
        let (payload, metadata) = self.content()?;
        Ok(ClientFrame::SendToGroup {
            group: self.group()?,
            ack_id: self.ack_id()?,
            no_echo: optional(self.no_echo)?.unwrap_or(false),
            ttl_secs: self.ttl_secs()?,
            payload,
            metadata,
        })
    }

    fn event(&self) -> Result<ClientFrame<'a>, Malformed> {
        let (payload, metadata) = self.content()?;
        Ok(ClientFrame::Event { event: self.event_name()?, ack_id: self.ack_id()?, payload, metadata })
    }

    fn invoke(&self) -> Result<ClientFrame<'a>, Malformed> {
        if required_string(self.target)? != "event" {
            return Err(Malformed);
        }
        let (payload, metadata) = self.content()?;
        Ok(ClientFrame::Invoke {
            invocation_id: self.invocation_id()?,
            event: self.event_name()?,
            payload,
            metadata,
        })
    }

    fn group(&self) -> Result<Cow<'a, str>, Malformed> {
        required_string(self.group)
            .and_then(|name| if is_group_name(&name) { Ok(name) } else { Err(Malformed) })
    }

    fn event_name(&self) -> Result<Cow<'a, str>, Malformed> {
        required_string(self.event)
            .and_then(|name| if is_event_name(&name) { Ok(name) } else { Err(Malformed) })
    }

    fn invocation_id(&self) -> Result<Cow<'a, str>, Malformed> {
        let id = required_string(self.invocation_id)?;
        if (1..=MAX_INVOCATION_ID).contains(&id.len()) { Ok(id) } else { Err(Malformed) }
    }

    fn ack_id(&self) -> Result<Option<u64>, Malformed> {
        optional_u64(self.ack_id)
    }

    fn ttl_secs(&self) -> Result<u16, Malformed> {
        let secs = optional_u64(self.ttl_seconds)?.unwrap_or(0);
        u16::try_from(secs).ok().filter(|secs| *secs <= MAX_TTL_SECS).ok_or(Malformed)
    }

    /// Data and metadata. Data may be missing, though not null, when there is metadata; it is then an empty text.
    fn content(&self) -> Result<(Payload, Metadata), Malformed> {
        let metadata: Metadata = optional(self.metadata)?.unwrap_or_default();
        let data_type = optional_string(self.data_type)?.unwrap_or(Cow::Borrowed("json"));
        let is = |name: &str| data_type.eq_ignore_ascii_case(name);
        if !(is("json") || is("text") || is("binary")) {
            return Err(Malformed);
        }
        let payload = match self.data {
            None if !metadata.is_empty() => Payload::Text(String::new()),
            data if is_absent(data) => return Err(Malformed),
            Some(data) if is("json") => Payload::Json(JsonText::parsed(data.get())),
            data => {
                let text = required_string(data)?;
                if is("text") {
                    Payload::Text(text.into_owned())
                } else {
                    Payload::Binary(decode_base64(&text).ok_or(Malformed)?)
                }
            }
        };
        Ok((payload, metadata))
    }
}

fn is_absent(field: Option<&RawValue>) -> bool {
    field.is_none_or(|raw| raw.get() == "null")
}

fn optional<'a, T: Deserialize<'a>>(field: Option<&'a RawValue>) -> Result<Option<T>, Malformed> {
    match field {
        Some(raw) if !is_absent(field) => json::read(raw).map(Some).ok_or(Malformed),
        _ => Ok(None),
    }
}

/// An unsigned integer in plain digits; a fraction or an exponent is refused even where its value is whole.
fn optional_u64(field: Option<&RawValue>) -> Result<Option<u64>, Malformed> {
    match field {
        Some(raw) if !is_absent(field) => raw.get().parse().map(Some).map_err(|_| Malformed),
        _ => Ok(None),
    }
}

fn optional_string(field: Option<&RawValue>) -> Result<Option<Cow<'_, str>>, Malformed> {
    Ok(optional::<Text<'_>>(field)?.map(|text| text.0))
}

fn required_string(field: Option<&RawValue>) -> Result<Cow<'_, str>, Malformed> {
    optional_string(field)?.ok_or(Malformed)
}

/// A string that is borrowed unless it holds escapes.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields::default();
        while let Some(Text(name)) = map.next_key()? {
            let field = match &*name {
                "type" => &mut fields.kind,
                "group" => &mut fields.group,
                "ackId" => &mut fields.ack_id,
                "noEcho" => &mut fields.no_echo,
                "ttlSeconds" => &mut fields.ttl_seconds,
                "dataType" => &mut fields.data_type,
                "data" => &mut fields.data,
                "metadata" => &mut fields.metadata,
                "stream" => &mut fields.stream,
                "event" => &mut fields.event,
                "sequenceId" => &mut fields.sequence_id,
                "invocationId" => &mut fields.invocation_id,
                "target" => &mut fields.target,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *field = Some(map.next_value()?);
        }
        Ok(fields)
    }
}
