//! Frames that a client sends over a JSON subprotocol.

use std::borrow::Cow;

use crate::json::{self, ObjectWriter};
use crate::metadata::Metadata;
use crate::payload::Payload;

mod fields;

use fields::Fields;

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
        let kind = fields.kind()?;
        let is = |name: &str| kind.eq_ignore_ascii_case(name);
        if is("sendToGroup") {
            fields.send_to_group()
        } else if is("event") {
            fields.event()
        } else if is("sequenceAck") {
            Ok(Self::SequenceAck { sequence_id: fields.sequence_id()? })
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

    /// Writes the frame as a client sends it.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut out = ObjectWriter::of_type(self.kind());
        match self {
            Self::JoinGroup { group, ack_id } | Self::LeaveGroup { group, ack_id } => {
                out.string("group", group);
                out.number("ackId", *ack_id);
            }
            Self::SendToGroup { group, ack_id, no_echo, ttl_secs, payload, metadata } => {
                out.string("group", group);
                out.number("ackId", *ack_id);
                if *no_echo {
                    out.raw("noEcho", "true");
                }
                out.number("ttlSeconds", (*ttl_secs > 0).then(|| u64::from(*ttl_secs)));
                out.content(payload, metadata);
            }
            Self::Event { event, ack_id, payload, metadata } => {
                out.string("event", event);
                out.number("ackId", *ack_id);
                out.content(payload, metadata);
            }
            Self::SequenceAck { sequence_id } => out.number("sequenceId", Some(*sequence_id)),
            Self::Ping => {}
            Self::Invoke { invocation_id, event, payload, metadata } => {
                out.string("invocationId", invocation_id);
                out.raw("target", r#""event""#);
                out.string("event", event);
                out.content(payload, metadata);
            }
            Self::CancelInvocation { invocation_id } => out.string("invocationId", invocation_id),
        }
        out.finish()
    }

    /// The value of `type`.
    fn kind(&self) -> &'static str {
        match self {
            Self::JoinGroup { .. } => "joinGroup",
            Self::LeaveGroup { .. } => "leaveGroup",
            Self::SendToGroup { .. } => "sendToGroup",
            Self::Event { .. } => "event",
            Self::SequenceAck { .. } => "sequenceAck",
            Self::Ping => "ping",
            Self::Invoke { .. } => "invoke",
            Self::CancelInvocation { .. } => "cancelInvocation",
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
