//! Frames that a hub sends over a JSON subprotocol: compact JSON in a fixed field order, since clients' tests compare
//! bytes.

use std::borrow::Cow;

use crate::json::ObjectWriter;
use crate::payload::Payload;

mod message;
mod parse;

pub use message::MessageFrame;
pub use parse::{ServerFrame, UnknownFrame};

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
}

/// The first frame of a new connection. `reconnection_token` is for reliable connections.
#[must_use]
pub fn connected(user_id: Option<&str>, connection_id: &str, reconnection_token: Option<&str>) -> String {
    let mut out = ObjectWriter::with_capacity("system", 192);
    out.raw("event", r#""connected""#);
    out.string_or_null("userId", user_id);
    out.string("connectionId", connection_id);
    if let Some(token) = reconnection_token {
        out.string("reconnectionToken", token);
    }
    out.finish()
}

/// The last frame before a close that the server wants.
#[must_use]
pub fn disconnected(message: &str) -> String {
    let mut out = ObjectWriter::of_type("system");
    out.raw("event", r#""disconnected""#);
    out.string("message", message);
    out.finish()
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
    let mut out = ObjectWriter::of_type("ack");
    out.number("ackId", Some(ack_id));
    write_outcome(&mut out, outcome.err());
    out.finish()
}

/// The answer to an invocation: the handler's answer, if it gave one, or why it failed.
#[must_use]
pub fn invoke_response(invocation_id: &str, outcome: Result<Option<&Payload>, &RequestError>) -> String {
    let mut out = ObjectWriter::of_type("invokeResponse");
    out.string("invocationId", invocation_id);
    write_outcome(&mut out, outcome.err());
    if let Ok(Some(payload)) = outcome {
        out.payload(payload);
    }
    out.finish()
}

fn write_outcome(out: &mut ObjectWriter, error: Option<&RequestError>) {
    match error {
        None => out.raw("success", "true"),
        Some(error) => {
            out.raw("success", "false");
            out.error(&error.name, &error.message);
        }
    }
}
