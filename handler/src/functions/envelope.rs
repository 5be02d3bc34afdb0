//! The envelope in which a Functions host hands over what is not plain HTTP: `{"Data":{…},"Metadata":{…}}`, with
//! most values encoded twice. Tested through captures of a running host (`tests/fixtures/host`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::model::Timestamp;
use crate::ports::{Entity, Properties, Received};

#[derive(Debug, thiserror::Error)]
pub(crate) enum EnvelopeError {
    #[error("the body is no invocation: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the invocation carries no message")]
    Empty,
    #[error("the message is neither text nor base64")]
    Encoding,
}

/// One call of a function by the host.
#[derive(Debug, Deserialize)]
pub(crate) struct Invocation {
    /// Input bindings by name.
    #[serde(rename = "Data", default)]
    pub(crate) data: Map<String, Value>,
    /// What the broker says of the message, and `sys`.
    #[serde(rename = "Metadata", default)]
    metadata: Map<String, Value>,
}

impl Invocation {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, EnvelopeError> {
        Ok(serde_json::from_slice(body)?)
    }

    /// The messages of a Service Bus trigger, in order: one, or, with cardinality many, several.
    pub(crate) fn messages(self, entity: Entity) -> Result<Vec<Received>, EnvelopeError> {
        let data = self.data.into_iter().next().ok_or(EnvelopeError::Empty)?.1;
        let metadata = Metadata(self.metadata);
        match Payload::read(data)? {
            Payload::Binary(body) => Ok(vec![metadata.of_one(entity, body, &[])]),
            Payload::Text(body) => {
                let shadowed = top_level_names(&body);
                Ok(vec![metadata.of_one(entity, body, &shadowed)])
            }
            Payload::Many(bodies) => Ok(bodies
                .into_iter()
                .enumerate()
                .map(|(i, body)| metadata.of_many(entity, body, i))
                .collect()),
        }
    }
}

/// How the trigger's value travels. The first character tells: base64 starts neither with a quote nor a bracket.
enum Payload {
    /// `"dataType": "binary"`: the exact bytes.
    Binary(Bytes),
    /// `"dataType": "string"`, or none: a JSON string in a string.
    Text(Bytes),
    /// Cardinality many: a JSON array in a string.
    Many(Vec<Bytes>),
}

impl Payload {
    fn read(value: Value) -> Result<Self, EnvelopeError> {
        let Value::String(text) = value else {
            return Ok(Self::Text(Bytes::from(value.to_string())));
        };
        match text.as_bytes().first() {
            Some(b'"') => Ok(Self::Text(Bytes::from(serde_json::from_str::<String>(&text)?))),
            Some(b'[') => {
                let items: Vec<Value> = serde_json::from_str(&text)?;
                Ok(Self::Many(items.into_iter().map(item).collect()))
            }
            _ => STANDARD
                .decode(&text)
                .map(|bytes| Self::Binary(bytes.into()))
                .map_err(|_| EnvelopeError::Encoding),
        }
    }
}

/// One body of a batch. Text of valid base64 is taken for bytes: a JSON object, which a message is, never looks so.
fn item(value: Value) -> Bytes {
    match value {
        Value::String(text) => match STANDARD.decode(&text) {
            Ok(bytes) => bytes.into(),
            Err(_) => text.into(),
        },
        other => other.to_string().into(),
    }
}

/// With text triggers the host writes a JSON body's own properties over the metadata, ignoring case. What a body
/// could have overwritten is not the broker's word.
fn top_level_names(body: &[u8]) -> Vec<String> {
    let object = serde_json::from_slice::<Map<String, Value>>(body);
    object.map(|object| object.into_iter().map(|(name, _)| name).collect()).unwrap_or_default()
}

struct Metadata(Map<String, Value>);

impl Metadata {
    fn of_one(&self, entity: Entity, body: Bytes, shadowed: &[String]) -> Received {
        let get = |name: &str| {
            let trusted = !shadowed.iter().any(|other| other.eq_ignore_ascii_case(name));
            self.0.get(name).filter(|_| trusted).map(decoded)
        };
        received(entity, body, get)
    }

    /// `<name>Array` holds the values of all messages, in their order.
    fn of_many(&self, entity: Entity, body: Bytes, index: usize) -> Received {
        let get = |name: &str| match self.0.get(&format!("{name}Array")).map(decoded)? {
            Value::Array(mut values) if index < values.len() => Some(values.swap_remove(index)),
            _ => None,
        };
        received(entity, body, get)
    }
}

fn received(entity: Entity, body: Bytes, get: impl Fn(&str) -> Option<Value>) -> Received {
    let text = |name| match get(name)? {
        Value::String(text) => Some(text),
        _ => None,
    };
    let number = |name| get(name)?.as_u64();
    Received {
        entity,
        message_id: text("MessageId"),
        session_id: text("SessionId"),
        sequence_number: number("SequenceNumber"),
        enqueued_at: text("EnqueuedTimeUtc").as_deref().and_then(Timestamp::parse),
        properties: get("ApplicationProperties").map(properties).unwrap_or_default(),
        body,
        attempt: number("DeliveryCount").and_then(|count| u32::try_from(count).ok()).unwrap_or(1).max(1),
    }
}

/// Strings, numbers and booleans as text; anything else is left out.
fn properties(value: Value) -> Properties {
    let Value::Object(object) = value else { return Properties::new() };
    let scalar = |value| match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    };
    object.into_iter().filter_map(|(name, value)| Some((name, scalar(value)?))).collect()
}

/// A metadata value is JSON text in a string, an object, or (dates) plain text.
fn decoded(value: &Value) -> Value {
    match value {
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| value.clone()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captures(file: &str) -> Value {
        let path = format!("{}/../tests/fixtures/host/{file}", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    /// What the handler is sent in a case's first request.
    fn messages(file: &str, case: &str) -> Vec<Received> {
        let body = captures(file)[case]["to_handler"][0]["body"].as_str().unwrap().to_owned();
        Invocation::parse(body.as_bytes()).unwrap().messages(Entity::Queue).unwrap()
    }

    fn one(file: &str, case: &str) -> Received {
        let mut messages = messages(file, case);
        assert_eq!(messages.len(), 1);
        messages.remove(0)
    }

    #[test]
    fn binary_bodies_are_exact_and_metadata_is_the_brokers() {
        let message = one("servicebus-binary.json", "queue json object");
        assert_eq!(
            message.body,
            r#"{"SenderID":"alice","ReceiverID":"bob","MessageText":"hi ☕","n":1}"#.as_bytes()
        );
        assert_eq!(message.message_id.as_deref(), Some("m-1"));
        assert_eq!(message.session_id.as_deref(), Some("r1"));
        assert_eq!((message.sequence_number, message.attempt), (Some(1), 1));
        assert_eq!(message.enqueued_at, Timestamp::parse("2026-11-21T09:31:16Z"));
        assert_eq!(message.properties["room_id"], "r1");
        assert_eq!((&*message.properties["n"], &*message.properties["ok"]), ("7", "true"));
        assert_eq!(one("servicebus-binary.json", "queue text").body, "plain words");
    }

    #[test]
    fn a_binary_body_cannot_overwrite_metadata() {
        let message = one("servicebus-binary.json", "queue metadata collision");
        assert!(message.body.starts_with(b"{\"messageId\":\"evil\""));
        assert_ne!(message.message_id.as_deref(), Some("evil"));
        assert_eq!(message.session_id.as_deref(), Some("r1"));
        assert_eq!(message.attempt, 1);
    }

    #[test]
    fn text_bodies_are_decoded_once() {
        let message = one("servicebus.json", "queue json object");
        assert!(message.body.starts_with(b"{\"SenderID\":\"alice\""));
        assert_eq!(message.message_id.as_deref(), Some("m-1"));
        assert_eq!(one("servicebus.json", "queue text").body, "plain words");
        assert_eq!(one("servicebus.json", "queue number, bool, null, array").body, "42");
    }

    #[test]
    fn what_a_text_body_may_have_overwritten_is_not_believed() {
        let message = one("servicebus.json", "queue metadata collision");
        assert_eq!((message.message_id, message.session_id), (None, None));
        assert_eq!(message.attempt, 1);
        assert_eq!(message.sequence_number, Some(9));
    }

    #[test]
    fn a_batch_keeps_order_and_each_its_own_metadata() {
        let batch = messages("servicebus.json", "batch of three");
        let bodies: Vec<_> = batch.iter().map(|m| m.body.clone()).collect();
        assert_eq!(bodies, [r#"{"i":1}"#, r#"{"i":2}"#, r#"{"i":3}"#]);
        let ids: Vec<_> = batch.iter().map(|m| m.message_id.as_deref().unwrap()).collect();
        assert_eq!(ids, ["b-1", "b-2", "b-3"]);
        assert_eq!(batch[2].properties["tenant"], "t3");
        assert_eq!(batch[1].sequence_number, Some(2));
        assert_eq!(batch[0].session_id, None);
    }

    #[test]
    fn every_captured_trigger_is_readable() {
        for file in ["servicebus.json", "servicebus-binary.json"] {
            for (case, capture) in captures(file).as_object().unwrap() {
                for request in capture["to_handler"].as_array().unwrap() {
                    let Some(body) = request["body"].as_str() else { continue };
                    if request["target"] == "/jsonHttp" {
                        continue;
                    }
                    let read = Invocation::parse(body.as_bytes()).and_then(|i| i.messages(Entity::Topic));
                    assert!(read.is_ok_and(|messages| !messages.is_empty()), "{file}: {case}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_invocation_is_said_so() {
        for body in
            ["", "[]", "null", "{}", r#"{"Data":{}}"#, r#"{"Data":{"m":"***"}}"#, r#"{"Data":{"m":"["}}"#]
        {
            let read = Invocation::parse(body.as_bytes()).and_then(|i| i.messages(Entity::Queue));
            assert!(read.is_err(), "{body}");
        }
    }
}
