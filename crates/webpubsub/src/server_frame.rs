//! Frames that a hub sends over a JSON subprotocol: compact JSON in a fixed field order, since clients' tests compare
//! bytes.

use std::borrow::Cow;
use std::fmt::Write as _;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json::{self, push_string, push_string_or_null};
use crate::metadata::Metadata;
use crate::payload::{JsonText, Payload, decode_base64};

/// The answer to a ping.
pub const PONG: &str = r#"{"type":"pong"}"#;

/// Why a request failed: in failed acks and invocations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestError {
    /// A stable name, such as `Forbidden`.
    pub name: Cow<'static, str>,
    /// A sentence for people.
    pub message: Cow<'static, str>,
}

impl RequestError {
    /// A role is missing. `act` is `join group`, `leave group` or `send to group`.
    fn forbidden(act: &str, group: &str) -> Self {
        let message = format!("The client does not have permission to {act} '{group}'.");
        Self { name: "Forbidden".into(), message: message.into() }
    }

    #[must_use]
    pub fn forbidden_join(group: &str) -> Self {
        Self::forbidden("join group", group)
    }

    #[must_use]
    pub fn forbidden_leave(group: &str) -> Self {
        Self::forbidden("leave group", group)
    }

    #[must_use]
    pub fn forbidden_send(group: &str) -> Self {
        Self::forbidden("send to group", group)
    }

    /// This ackId succeeded before; nothing is done again. Clients take it as success.
    #[must_use]
    pub fn duplicate(ack_id: u64) -> Self {
        let message = format!("Message with ack-id: {ack_id} has been processed");
        Self { name: "Duplicate".into(), message: message.into() }
    }

    /// The event handler failed, or nobody handles the event.
    #[must_use]
    pub fn internal() -> Self {
        Self { name: "InternalServerError".into(), message: "Internal server error".into() }
    }

    #[must_use]
    pub fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self { name: "BadRequest".into(), message: message.into() }
    }

    fn push_json(&self, out: &mut String) {
        out.push_str(r#"{"name":"#);
        push_string(out, &self.name);
        out.push_str(r#","message":"#);
        push_string(out, &self.message);
        out.push('}');
    }
}

/// The first frame of a new connection. `reconnection_token` is for reliable connections.
#[must_use]
pub fn connected(user_id: Option<&str>, connection_id: &str, reconnection_token: Option<&str>) -> String {
    let mut out = String::from(r#"{"type":"system","event":"connected","userId":"#);
    push_string_or_null(&mut out, user_id);
    out.push_str(r#","connectionId":"#);
    push_string(&mut out, connection_id);
    if let Some(token) = reconnection_token {
        out.push_str(r#","reconnectionToken":"#);
        push_string(&mut out, token);
    }
    out.push('}');
    out
}

/// The last frame before a close that the server wants.
#[must_use]
pub fn disconnected(message: &str) -> String {
    let mut out = String::from(r#"{"type":"system","event":"disconnected","message":"#);
    push_string(&mut out, message);
    out.push('}');
    out
}

/// The message of [`disconnected`] when the application server closes a connection, with its reason if it gave one.
#[must_use]
pub fn closed_by_application(reason: Option<&str>) -> String {
    match reason.filter(|reason| !reason.is_empty()) {
        Some(reason) => format!("Application server closed the connection. Reason: {reason}"),
        None => "Application server closed the connection.".to_owned(),
    }
}

/// The answer to a request with an ackId.
#[must_use]
pub fn ack(ack_id: u64, outcome: Result<(), &RequestError>) -> String {
    let mut out = String::from(r#"{"type":"ack","ackId":"#);
    push_number(&mut out, ack_id);
    push_outcome(&mut out, outcome.err());
    out.push('}');
    out
}

/// The answer to an invocation: the handler's answer, if it gave one, or why it failed.
#[must_use]
pub fn invoke_response(invocation_id: &str, outcome: Result<Option<&Payload>, &RequestError>) -> String {
    let mut out = String::from(r#"{"type":"invokeResponse","invocationId":"#);
    push_string(&mut out, invocation_id);
    push_outcome(&mut out, outcome.err());
    if let Ok(Some(payload)) = outcome {
        push_payload(&mut out, payload);
    }
    out.push('}');
    out
}

fn push_number(out: &mut String, number: u64) {
    // Writing to a string cannot fail.
    let _ = write!(out, "{number}");
}

fn push_outcome(out: &mut String, error: Option<&RequestError>) {
    match error {
        None => out.push_str(r#","success":true"#),
        Some(error) => {
            out.push_str(r#","success":false,"error":"#);
            error.push_json(out);
        }
    }
}

fn push_payload(out: &mut String, payload: &Payload) {
    out.push_str(r#","dataType":""#);
    out.push_str(payload.data_type());
    out.push_str(r#"","data":"#);
    payload.push_json(out);
}

/// A `message` frame, encoded once and shared by all its receivers.
///
/// A plain connection sends [`MessageFrame::plain`] as it is. A reliable connection sends [`MessageFrame::prefix`] and
/// then [`MessageFrame::sequence_suffix`], which carries the number of its own. Clones share the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageFrame(Bytes);

impl MessageFrame {
    /// A message to a group. `from_user_id` is `None` when an anonymous client or the application server sent it.
    #[must_use]
    pub fn from_group(
        group: &str,
        from_user_id: Option<&str>,
        payload: &Payload,
        metadata: &Metadata,
    ) -> Self {
        let mut out = String::with_capacity(128 + group.len() + payload.as_bytes().len());
        out.push_str(r#"{"type":"message","from":"group","group":"#);
        push_string(&mut out, group);
        out.push_str(r#","fromUserId":"#);
        push_string_or_null(&mut out, from_user_id);
        Self::finish(out, payload, metadata)
    }

    /// A message of the application server to a connection, a user or all.
    #[must_use]
    pub fn from_server(payload: &Payload, metadata: &Metadata) -> Self {
        let mut out = String::with_capacity(96 + payload.as_bytes().len());
        out.push_str(r#"{"type":"message","from":"server""#);
        Self::finish(out, payload, metadata)
    }

    fn finish(mut out: String, payload: &Payload, metadata: &Metadata) -> Self {
        push_payload(&mut out, payload);
        if !metadata.is_empty() {
            out.push_str(r#","metadata":"#);
            metadata.push_json(&mut out);
        }
        out.push('}');
        Self(Bytes::from(out))
    }

    /// The whole frame for a connection without sequence numbers; UTF-8.
    #[must_use]
    pub fn plain(&self) -> Bytes {
        self.0.clone()
    }

    /// The frame up to its closing brace; UTF-8.
    #[must_use]
    pub fn prefix(&self) -> Bytes {
        self.0.slice(..self.0.len().saturating_sub(1))
    }

    /// What follows [`MessageFrame::prefix`] on a reliable connection.
    #[must_use]
    pub fn sequence_suffix(sequence_id: u64) -> String {
        format!(r#","sequenceId":{sequence_id}}}"#)
    }

    /// The whole frame for a reliable connection, in a buffer of its own.
    #[must_use]
    pub fn numbered(&self, sequence_id: u64) -> Bytes {
        let suffix = Self::sequence_suffix(sequence_id);
        [&self.prefix()[..], suffix.as_bytes()].concat().into()
    }
}

/// A frame of a hub as a client reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerFrame {
    Connected {
        user_id: Option<String>,
        connection_id: String,
        reconnection_token: Option<String>,
    },
    Disconnected {
        message: String,
    },
    Ack {
        ack_id: u64,
        outcome: Result<(), RequestError>,
    },
    Pong,
    InvokeResponse {
        invocation_id: String,
        outcome: Result<Option<Payload>, RequestError>,
    },
    GroupMessage {
        group: String,
        from_user_id: Option<String>,
        payload: Payload,
        metadata: Metadata,
        sequence_id: Option<u64>,
    },
    ServerMessage {
        payload: Payload,
        metadata: Metadata,
        sequence_id: Option<u64>,
    },
}

/// The text is not a frame that a hub of this protocol sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The message is not a known server frame.")]
pub struct UnknownFrame;

impl ServerFrame {
    /// Reads a text frame. Unknown fields are ignored; a missing `userId` or `fromUserId` is read as null.
    pub fn parse(text: &str) -> Result<Self, UnknownFrame> {
        if json::too_deep(text) {
            return Err(UnknownFrame);
        }
        let wire: WireFrame<'_> = serde_json::from_str(text).map_err(|_| UnknownFrame)?;
        wire.understand().ok_or(UnknownFrame)
    }

    /// Writes the frame as a hub sends it.
    #[must_use]
    pub fn encode(&self) -> String {
        match self {
            Self::Connected { user_id, connection_id, reconnection_token } => {
                connected(user_id.as_deref(), connection_id, reconnection_token.as_deref())
            }
            Self::Disconnected { message } => disconnected(message),
            Self::Ack { ack_id, outcome } => ack(*ack_id, outcome.as_ref().copied()),
            Self::Pong => PONG.to_owned(),
            Self::InvokeResponse { invocation_id, outcome } => {
                invoke_response(invocation_id, outcome.as_ref().map(Option::as_ref))
            }
            Self::GroupMessage { group, from_user_id, payload, metadata, sequence_id } => {
                let frame = MessageFrame::from_group(group, from_user_id.as_deref(), payload, metadata);
                encode_message(&frame, *sequence_id)
            }
            Self::ServerMessage { payload, metadata, sequence_id } => {
                encode_message(&MessageFrame::from_server(payload, metadata), *sequence_id)
            }
        }
    }
}

fn encode_message(frame: &MessageFrame, sequence_id: Option<u64>) -> String {
    let bytes = sequence_id.map_or_else(|| frame.plain(), |id| frame.numbered(id));
    String::from_utf8_lossy(&bytes).into_owned()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireFrame<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    event: Option<String>,
    user_id: Option<String>,
    connection_id: Option<String>,
    reconnection_token: Option<String>,
    message: Option<String>,
    ack_id: Option<u64>,
    success: Option<bool>,
    error: Option<WireError>,
    from: Option<String>,
    group: Option<String>,
    from_user_id: Option<String>,
    data_type: Option<String>,
    #[serde(borrow, default, deserialize_with = "present")]
    data: Option<&'a RawValue>,
    metadata: Option<Metadata>,
    sequence_id: Option<u64>,
    invocation_id: Option<String>,
}

#[derive(Deserialize)]
struct WireError {
    name: String,
    message: String,
}

/// A field that is there, even when it is null.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl WireFrame<'_> {
    fn understand(self) -> Option<ServerFrame> {
        match (&*self.kind, self.event.as_deref(), self.from.as_deref()) {
            ("system", Some("connected"), _) => Some(ServerFrame::Connected {
                user_id: self.user_id,
                connection_id: self.connection_id?,
                reconnection_token: self.reconnection_token,
            }),
            ("system", Some("disconnected"), _) => {
                Some(ServerFrame::Disconnected { message: self.message.unwrap_or_default() })
            }
            ("ack", ..) => Some(ServerFrame::Ack {
                ack_id: self.ack_id?,
                outcome: if self.success? { Ok(()) } else { Err(self.error?.into()) },
            }),
            ("pong", ..) => Some(ServerFrame::Pong),
            ("invokeResponse", ..) => {
                let outcome = match (self.success?, self.data) {
                    (true, None) => Ok(None),
                    (true, Some(_)) => Ok(Some(self.payload()?)),
                    (false, _) => Err(RequestError::from(self.error?)),
                };
                Some(ServerFrame::InvokeResponse { invocation_id: self.invocation_id?, outcome })
            }
            ("message", _, Some("group")) => Some(ServerFrame::GroupMessage {
                payload: self.payload()?,
                group: self.group?,
                from_user_id: self.from_user_id,
                metadata: self.metadata.unwrap_or_default(),
                sequence_id: self.sequence_id,
            }),
            ("message", _, Some("server")) => Some(ServerFrame::ServerMessage {
                payload: self.payload()?,
                metadata: self.metadata.unwrap_or_default(),
                sequence_id: self.sequence_id,
            }),
            _ => None,
        }
    }

    fn payload(&self) -> Option<Payload> {
        let data = self.data?;
        match self.data_type.as_deref()? {
            "json" => Some(Payload::Json(JsonText::parsed(data.get()))),
            "text" => json::read(data).map(Payload::Text),
            "binary" => decode_base64(&json::read::<String>(data)?).map(Payload::Binary),
            _ => None,
        }
    }
}

impl From<WireError> for RequestError {
    fn from(error: WireError) -> Self {
        Self { name: error.name.into(), message: error.message.into() }
    }
}
