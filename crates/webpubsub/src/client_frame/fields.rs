//! The fields of client frames.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{ClientFrame, MAX_INVOCATION_ID, MAX_TTL_SECS, Malformed};
use crate::json;
use crate::metadata::Metadata;
use crate::names::{is_event_name, is_group_name};
use crate::payload::{JsonText, Payload, decode_base64};

/// The fields of a frame, not yet understood: a field of the wrong type only matters to the frames that use it.
#[derive(Default)]
pub(super) struct Fields<'a> {
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
    pub(super) fn kind(&self) -> Result<Cow<'a, str>, Malformed> {
        required_string(self.kind)
    }

    pub(super) fn sequence_id(&self) -> Result<u64, Malformed> {
        optional_u64(self.sequence_id)?.ok_or(Malformed)
    }

    pub(super) fn send_to_group(&self) -> Result<ClientFrame<'a>, Malformed> {
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

    pub(super) fn event(&self) -> Result<ClientFrame<'a>, Malformed> {
        let (payload, metadata) = self.content()?;
        Ok(ClientFrame::Event { event: self.event_name()?, ack_id: self.ack_id()?, payload, metadata })
    }

    pub(super) fn invoke(&self) -> Result<ClientFrame<'a>, Malformed> {
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

    pub(super) fn group(&self) -> Result<Cow<'a, str>, Malformed> {
        required_string(self.group)
            .and_then(|name| if is_group_name(&name) { Ok(name) } else { Err(Malformed) })
    }

    fn event_name(&self) -> Result<Cow<'a, str>, Malformed> {
        required_string(self.event)
            .and_then(|name| if is_event_name(&name) { Ok(name) } else { Err(Malformed) })
    }

    pub(super) fn invocation_id(&self) -> Result<Cow<'a, str>, Malformed> {
        let id = required_string(self.invocation_id)?;
        if (1..=MAX_INVOCATION_ID).contains(&id.len()) { Ok(id) } else { Err(Malformed) }
    }

    pub(super) fn ack_id(&self) -> Result<Option<u64>, Malformed> {
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
