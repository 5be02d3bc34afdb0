//! Server frames as a client reads them.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{MessageFrame, PONG, RequestError, ack, connected, disconnected, invoke_response};
use crate::json;
use crate::metadata::Metadata;
use crate::payload::{JsonText, Payload, decode_base64};

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
