//! Service Bus triggers: data and metadata, with cardinality one and many.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{Node, Object, envelope, fraction, promote, seconds, sys};
use crate::broker::{Delivery, Stored};
use crate::config::DataType;

/// What an invocation says besides its messages.
pub(crate) struct Call<'a> {
    pub(crate) function: &'a str,
    pub(crate) binding: &'a str,
    pub(crate) data_type: DataType,
    /// `127.0.0.1-<guid>`, one per host.
    pub(crate) client: &'a str,
    /// Until when the session is locked, where there is one.
    pub(crate) session_locked_until: Option<OffsetDateTime>,
    pub(crate) now: OffsetDateTime,
    pub(crate) guid: &'a str,
}

/// When a message without time to live expires: the last moment that .NET knows.
const NEVER: &str = "9999-12-31T23:59:59";

/// The envelope of one message. Text bodies promote their properties; binary ones do not.
pub(crate) fn single(call: &Call<'_>, delivery: &Delivery) -> String {
    let stored = &delivery.stored;
    let message = &stored.message;
    let text = |value: Option<&String>| value.map(|value| Node::double(&json!(value)));
    let utc = seconds(stored.enqueued);
    let mut metadata = receivers(call);
    let members = [
        ("DeliveryCount", Some(Node::double(&stored.delivery_count.into()))),
        ("DeadLetterSource", text(stored.dead_letter_source.as_ref())),
        ("LockToken", text(Some(&delivery.lock_token))),
        ("ExpiresAtUtc", Some(Node::text(NEVER))),
        ("ExpiresAt", Some(Node::text(&format!("{NEVER}+00:00")))),
        ("EnqueuedTimeUtc", Some(Node::text(&utc))),
        ("EnqueuedTime", Some(Node::text(&format!("{utc}+00:00")))),
        ("MessageId", text(Some(&message.message_id))),
        ("ContentType", text(message.content_type.as_ref())),
        ("ReplyTo", text(message.reply_to.as_ref())),
        ("SequenceNumber", Some(Node::double(&stored.sequence_number.into()))),
        ("To", text(message.to.as_ref())),
        ("Subject", text(message.subject.as_ref())),
        ("Label", text(message.subject.as_ref())),
        ("CorrelationId", text(message.correlation_id.as_ref())),
        ("ApplicationProperties", Some(properties(stored).into())),
        ("UserProperties", Some(properties(stored).into())),
        ("SessionId", text(message.session_id.as_ref())),
        ("ReplyToSessionId", text(message.reply_to_session_id.as_ref())),
        ("PartitionKey", text(message.partition_key.as_ref())),
        ("sys", Some(sys(call.function, call.now, call.guid))),
    ];
    for (name, value) in members {
        if let Some(value) = value {
            metadata.set(name, value);
        }
    }
    let data = if call.data_type == DataType::Binary {
        Node::text(&STANDARD.encode(&message.body))
    } else {
        let body = String::from_utf8_lossy(&message.body);
        promote(&mut metadata, &body);
        Node::double(&json!(body))
    };
    envelope(call.binding, data, metadata)
}

/// The envelope of a batch: every value an array in a string, nothing promoted.
///
/// # Errors
/// One sentence when a body is not JSON though no `dataType` was set: the host reads the bodies itself then, and the
/// whole batch fails before the handler sees it.
pub(crate) fn batch(call: &Call<'_>, deliveries: &[Delivery]) -> Result<String, String> {
    let data = data_array(call.data_type, deliveries)?;
    let each = |value: &dyn Fn(&Delivery) -> Value| Node::double(&deliveries.iter().map(value).collect());
    let of = |value: fn(&Stored) -> &Option<String>| each(&|it| json!(value(&it.stored)));
    let enqueued = |it: &Delivery, zone: &str| json!(format!("{}{zone}", fraction(it.stored.enqueued)));
    let members = [
        ("DeliveryCountArray", each(&|it| it.stored.delivery_count.into())),
        ("DeadLetterSourceArray", of(|it| &it.dead_letter_source)),
        ("LockTokenArray", each(&|it| json!(it.lock_token))),
        ("ExpiresAtUtcArray", each(&|_| json!(format!("{NEVER}.9999999")))),
        ("ExpiresAtArray", each(&|_| json!(format!("{NEVER}.9999999+00:00")))),
        ("EnqueuedTimeUtcArray", each(&|it| enqueued(it, ""))),
        ("EnqueuedTimeArray", each(&|it| enqueued(it, "+00:00"))),
        ("MessageIdArray", each(&|it| json!(it.stored.message.message_id))),
        ("ContentTypeArray", of(|it| &it.message.content_type)),
        ("ReplyToArray", of(|it| &it.message.reply_to)),
        ("SequenceNumberArray", each(&|it| it.stored.sequence_number.into())),
        ("ToArray", of(|it| &it.message.to)),
        ("SubjectArray", of(|it| &it.message.subject)),
        ("LabelArray", of(|it| &it.message.subject)),
        ("CorrelationIdArray", of(|it| &it.message.correlation_id)),
        ("ApplicationPropertiesArray", properties_array(deliveries)),
        ("UserPropertiesArray", properties_array(deliveries)),
        ("SessionIdArray", of(|it| &it.message.session_id)),
        ("ReplyToSessionIdArray", of(|it| &it.message.reply_to_session_id)),
        ("PartitionKeyArray", of(|it| &it.message.partition_key)),
        // The extension repeats the partition keys here.
        ("TransactionPartitionKeyArray", of(|it| &it.message.partition_key)),
        ("sys", sys(call.function, call.now, call.guid)),
    ];
    let mut metadata = receivers(call);
    for (name, value) in members {
        metadata.set(name, value);
    }
    Ok(envelope(call.binding, data, metadata))
}

fn data_array(data_type: DataType, deliveries: &[Delivery]) -> Result<Node, String> {
    let bodies: Vec<Value> = deliveries
        .iter()
        .map(|delivery| {
            let body = &delivery.stored.message.body;
            match data_type {
                DataType::String => Ok(json!(String::from_utf8_lossy(body))),
                DataType::Binary => Ok(json!(STANDARD.encode(body))),
                DataType::Unset => serde_json::from_slice(body).map_err(|error| {
                    let id = &delivery.stored.message.message_id;
                    format!("the body of {id} is not JSON, which a batch without dataType needs: {error}")
                }),
            }
        })
        .collect::<Result<_, _>>()?;
    Ok(Node::double(&bodies.into()))
}

/// The objects that stand for the extension's receivers and its client.
fn receivers(call: &Call<'_>) -> Object {
    let mut metadata = Object::default();
    for name in ["MessageReceiver", "MessageSession", "MessageActions", "SessionActions"] {
        let mut receiver = Object::default();
        if let Some(until) = call.session_locked_until {
            receiver.set("SessionLockedUntil", Node::text(&format!("{}+00:00", fraction(until))));
        }
        metadata.set(name, receiver.into());
    }
    metadata.set("ReceiveActions", Object::default().into());
    let mut client = Object::default();
    client.set("FullyQualifiedNamespace", Node::text("127.0.0.1"));
    client.set("IsClosed", false.into());
    client.set("Identifier", Node::text(call.client));
    client.set("TransportType", Node::Value(0.into()));
    metadata.set("Client", client.into());
    metadata
}

fn properties(stored: &Stored) -> Object {
    let mut properties = Object::default();
    for (name, value) in &stored.message.properties {
        properties.set(name, Node::Value(value.clone()));
    }
    properties
}

fn properties_array(deliveries: &[Delivery]) -> Node {
    let objects: Vec<String> = deliveries.iter().map(|it| properties(&it.stored).to_json()).collect();
    Node::text(&format!("[{}]", objects.join(",")))
}
