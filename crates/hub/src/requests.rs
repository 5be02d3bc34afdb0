//! What a client's messages do. One at a time per connection, in the order of arrival.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::Instant;
use webpubsub::client_frame::ClientFrame;
use webpubsub::close::{CLIENT_FINAL_CODE, Close};
use webpubsub::metadata::Metadata;
use webpubsub::payload::Payload;
use webpubsub::roles::Action;
use webpubsub::server_frame::{self, PONG, RequestError};

use crate::connection::{Connection, Kind};
use crate::encoded::{Encoded, Origin};
use crate::events::{EventFailed, Reply, UserEvent, UserEventAnswer};
use crate::groups::{Joining, NotJoined};
use crate::hub::Hub;
use crate::outbox::Frame;
use crate::session::{CONNECTION_ENDED, close_own, flushing};
use crate::target::{OutMessage, Target};
use crate::ws::{self, Incoming, Opcode};

/// The event that a frame of a simple client becomes.
const SIMPLE_EVENT: &str = "message";

/// Handles one message. `arrived_at` is when it was read.
pub(crate) async fn handle(hub: &Hub, connection: &Arc<Connection>, message: Incoming, arrived_at: Instant) {
    match message {
        Incoming::Text(text) => {
            hub.inner.counters.messages_in.fetch_add(1, Ordering::Relaxed);
            match &connection.kind {
                Kind::Json | Kind::Reliable => match ClientFrame::parse(&text) {
                    Ok(frame) => request(hub, connection, frame, arrived_at).await,
                    Err(_) => close_own(hub, connection, Close::MalformedFrame),
                },
                Kind::Simple | Kind::SimplePublisher { .. } => {
                    simple(hub, connection, Payload::Text(text)).await;
                }
            }
        }
        Incoming::Binary(bytes) => {
            hub.inner.counters.messages_in.fetch_add(1, Ordering::Relaxed);
            match &connection.kind {
                Kind::Json | Kind::Reliable => close_own(hub, connection, Close::BinaryOnJson),
                Kind::Simple | Kind::SimplePublisher { .. } => {
                    simple(hub, connection, Payload::Binary(bytes)).await;
                }
            }
        }
        Incoming::Ping(payload) => {
            connection.answer(Frame::Whole(ws::frame(Opcode::Pong, &payload)));
        }
        Incoming::Pong => {}
        Incoming::Close(code, reason) => closed_by_client(connection, code, &reason),
    }
}

/// A close with code 1000 is final; after any other a reliable client may come back.
fn closed_by_client(connection: &Connection, code: Option<u16>, reason: &str) {
    let last = code == Some(CLIENT_FINAL_CODE);
    let why = if last { reason } else { CONNECTION_ENDED };
    let answer = ws::close_frame(code, reason);
    connection.delivery().answer_close(answer, why.to_owned(), last || !connection.is_reliable());
}

async fn simple(hub: &Hub, connection: &Arc<Connection>, payload: Payload) {
    if let Kind::SimplePublisher { group, no_echo } = &connection.kind {
        let message = OutMessage::new(payload);
        if publish(hub, connection, group, &message, *no_echo, None).is_err() {
            close_own(hub, connection, Close::RawSendForbidden);
        }
        return;
    }
    let event = raise(hub, connection, SIMPLE_EVENT, payload, Metadata::default(), Reply::Message);
    match event.await {
        Ok(answer) => reply(hub, connection, answer),
        Err(_) => close_own(hub, connection, Close::EventFailed),
    }
}

async fn request(hub: &Hub, connection: &Arc<Connection>, frame: ClientFrame<'_>, arrived_at: Instant) {
    let ack_id = frame.ack_id();
    let known = ack_id.filter(|id| connection.session().acks.contains(*id));
    let outcome = match known {
        Some(id) => Err(RequestError::duplicate(id)),
        None => execute(hub, connection, frame).await,
    };
    let Some(ack_id) = ack_id else { return };
    if outcome.is_ok() {
        connection.session().acks.insert(ack_id);
    }
    let delay = hub.options().ack_delay;
    if !delay.is_zero() {
        flushing(hub, connection, tokio::time::sleep_until(arrived_at + delay)).await;
    }
    let outcome = outcome.as_ref().copied();
    connection.answer(Frame::text(&server_frame::ack(ack_id, outcome)));
}

/// Does what a frame asks for. What it gives is only told to a client that wants an ack.
async fn execute(
    hub: &Hub,
    connection: &Arc<Connection>,
    frame: ClientFrame<'_>,
) -> Result<(), RequestError> {
    match frame {
        ClientFrame::JoinGroup { group, .. } => join(hub, connection, &group),
        ClientFrame::LeaveGroup { group, .. } => {
            if !allowed(connection, Action::JoinLeaveGroup, &group) {
                return Err(RequestError::forbidden_leave(&group));
            }
            connection.hub.leave(connection, &group);
            Ok(())
        }
        ClientFrame::SendToGroup { group, no_echo, ttl_secs, payload, metadata, .. } => {
            let ttl = (ttl_secs > 0).then(|| Duration::from_secs(ttl_secs.into()));
            publish(hub, connection, &group, &OutMessage { payload, metadata }, no_echo, ttl)
        }
        ClientFrame::Event { event, payload, metadata, .. } => {
            let answer = raise(hub, connection, &event, payload, metadata, Reply::Message).await;
            reply(hub, connection, answer.map_err(|EventFailed(error)| error)?);
            Ok(())
        }
        ClientFrame::Invoke { invocation_id, event, payload, metadata } => {
            let answer = raise(hub, connection, &event, payload, metadata, Reply::Invocation).await;
            let outcome = match &answer {
                Ok(answer) => Ok(answer.payload.as_ref()),
                Err(EventFailed(error)) => Err(error),
            };
            let response = server_frame::invoke_response(&invocation_id, outcome);
            connection.answer(Frame::text(&response));
            Ok(())
        }
        // Requests are handled one after the other: when this is read, the invocation has been answered.
        ClientFrame::CancelInvocation { .. } => Ok(()),
        ClientFrame::SequenceAck { sequence_id } => {
            connection.delivery().acknowledge(sequence_id);
            Ok(())
        }
        ClientFrame::Ping => {
            connection.answer(Frame::text(PONG));
            Ok(())
        }
    }
}

fn allowed(connection: &Connection, action: Action, group: &str) -> bool {
    connection.session().permissions.allows(action, group)
}

fn join(hub: &Hub, connection: &Arc<Connection>, group: &str) -> Result<(), RequestError> {
    let joining = Joining::Client { max_groups: hub.options().max_groups };
    connection.hub.join(connection, group, joining).map_err(|refused| match refused {
        NotJoined::Forbidden => RequestError::forbidden_join(group),
        NotJoined::TooMany => RequestError::bad_request("The connection is in too many groups."),
        NotJoined::Gone => RequestError::internal(),
    })
}

/// Sends to a group in the client's name.
fn publish(
    hub: &Hub,
    connection: &Arc<Connection>,
    group: &str,
    message: &OutMessage,
    no_echo: bool,
    ttl: Option<Duration>,
) -> Result<(), RequestError> {
    if !allowed(connection, Action::SendToGroup, group) {
        return Err(RequestError::forbidden_send(group));
    }
    let members = connection.hub.members(Target::Group(group));
    let receivers = members.iter().filter(|member| !(no_echo && member.id == connection.id));
    let origin = Origin::Group { group, from_user_id: connection.user_id.as_deref() };
    hub.broadcast(receivers, &Encoded::new(message, origin), ttl);
    Ok(())
}

/// Asks the event handler. Nobody to ask is a failure, and so is a handler that panics.
async fn raise(
    hub: &Hub,
    connection: &Arc<Connection>,
    name: &str,
    payload: Payload,
    metadata: Metadata,
    reply: Reply,
) -> Result<UserEventAnswer, EventFailed> {
    let handler = hub.handler(&connection.hub.name).ok_or_else(EventFailed::default)?;
    let context = connection.next_event();
    let event = UserEvent { context, name: name.to_owned(), payload, metadata, reply };
    connection.pulse().set_busy(true);
    let answer = AssertUnwindSafe(handler.user_event(event)).catch_unwind();
    let answer = flushing(hub, connection, answer).await;
    connection.pulse().set_busy(false);
    let answer = answer.unwrap_or_else(|_| Err(EventFailed::default()))?;
    if let Some(state) = &answer.state {
        connection.session().state = Some(state.clone());
    }
    Ok(answer)
}

/// Sends what an event's answer holds for the client.
fn reply(hub: &Hub, connection: &Arc<Connection>, answer: UserEventAnswer) {
    let UserEventAnswer { payload, metadata, .. } = answer;
    let payload = payload.or_else(|| (!metadata.is_empty()).then(|| Payload::Text(String::new())));
    if let Some(payload) = payload {
        let message = OutMessage { payload, metadata };
        hub.broadcast(std::iter::once(connection), &Encoded::new(&message, Origin::Server), None);
    }
}
