//! One connection's state, without its socket.
//!
//! Two short locks: `delivery` for what goes to the client, `session` for who the client is and what it may do. Neither
//! is held while anything is sent or awaited, and they are never held together.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;
use webpubsub::close::Close;
use webpubsub::roles::Permissions;
use webpubsub::server_frame;
use webpubsub::subprotocol::Subprotocol;

use crate::acks::RecentAcks;
use crate::delivery::{Delivery, Pushed};
use crate::encoded::Encoded;
use crate::events::EventContext;
use crate::groups::HubState;
use crate::id::ConnectionId;
use crate::outbox::Frame;
use crate::target::Subject;

/// How a client's frames are read and its messages written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Application bytes; each frame is the event `message`.
    Simple,
    /// Application bytes; each frame is published to a group.
    SimplePublisher {
        group: Box<str>,
        no_echo: bool,
    },
    Json,
    Reliable,
}

/// A client that was let in, until its connection is over for good.
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) hub: Arc<HubState>,
    pub(crate) user_id: Option<Box<str>>,
    pub(crate) kind: Kind,
    /// A subprotocol the connect handler chose that is not one of ours; the client counts as simple.
    foreign_subprotocol: Option<Box<str>>,
    session: Mutex<Session>,
    delivery: Mutex<Delivery>,
    /// Tells the connection's task that `delivery` needs it.
    pub(crate) wake: Notify,
    pulse: Pulse,
}

/// Who the client is and what it may do. Survives the loss of its socket.
#[derive(Default)]
pub(crate) struct Session {
    pub(crate) groups: HashSet<Arc<str>>,
    pub(crate) permissions: Permissions,
    pub(crate) acks: RecentAcks,
    /// What the event handler stored.
    pub(crate) state: Option<String>,
    next_event: u64,
}

/// What [`Connection::new`] needs to know of a client.
pub(crate) struct Identity {
    pub(crate) id: ConnectionId,
    pub(crate) user_id: Option<String>,
    pub(crate) kind: Kind,
    pub(crate) foreign_subprotocol: Option<String>,
    pub(crate) permissions: Permissions,
    pub(crate) state: Option<String>,
    /// How many events were raised for it already.
    pub(crate) events: u64,
}

impl Connection {
    pub(crate) fn new(hub: Arc<HubState>, identity: Identity, delivery: Delivery) -> Self {
        let session = Session {
            permissions: identity.permissions,
            state: identity.state,
            next_event: identity.events,
            ..Session::default()
        };
        Self {
            id: identity.id,
            hub,
            user_id: identity.user_id.map(String::into_boxed_str),
            kind: identity.kind,
            foreign_subprotocol: identity.foreign_subprotocol.map(String::into_boxed_str),
            session: Mutex::new(session),
            delivery: Mutex::new(delivery),
            wake: Notify::new(),
            pulse: Pulse::default(),
        }
    }

    pub(crate) fn session(&self) -> MutexGuard<'_, Session> {
        lock(&self.session)
    }

    pub(crate) fn delivery(&self) -> MutexGuard<'_, Delivery> {
        lock(&self.delivery)
    }

    pub(crate) fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    pub(crate) fn is_reliable(&self) -> bool {
        self.kind == Kind::Reliable
    }

    /// The subprotocol the client was given.
    pub(crate) fn subprotocol(&self) -> Option<&str> {
        match self.kind {
            Kind::Json => Some(Subprotocol::Json.name()),
            Kind::Reliable => Some(Subprotocol::JsonReliable.name()),
            Kind::Simple | Kind::SimplePublisher { .. } => self.foreign_subprotocol.as_deref(),
        }
    }

    /// The context of the connection's next event.
    pub(crate) fn next_event(&self) -> EventContext {
        let mut session = self.session();
        let event_id = session.next_event;
        session.next_event += 1;
        EventContext {
            hub: self.hub.name.clone(),
            connection_id: self.id.to_string(),
            user_id: self.user_id.as_deref().map(str::to_owned),
            subprotocol: self.subprotocol().map(str::to_owned),
            state: session.state.clone(),
            event_id,
        }
    }

    /// Whether a filter takes this connection.
    pub(crate) fn matches(&self, filter: &(dyn Fn(&Subject<'_>) -> bool + Sync)) -> bool {
        let id = self.id.to_string();
        let session = self.session();
        filter(&Subject::new(&id, self.user_id.as_deref(), self.subprotocol(), &session.groups))
    }

    /// Hands over a message for the client. `expires` bounds how long it may wait for a lost reliable client.
    pub(crate) fn deliver(&self, message: &Encoded<'_>, expires: Option<Instant>) -> Pushed {
        let pushed = match self.kind {
            Kind::Reliable => self.delivery().push_message(message.reliable(), expires),
            Kind::Json => self.delivery().push(Frame::Whole(message.json())),
            Kind::Simple | Kind::SimplePublisher { .. } => {
                self.delivery().push(Frame::Whole(message.simple()))
            }
        };
        if pushed == Pushed::Overflow {
            self.wake.notify_one();
        }
        pushed
    }

    /// Puts an answer of ours behind what waits. The caller, which is the connection's own task, flushes later.
    pub(crate) fn answer(&self, frame: Frame) {
        self.delivery().push_unscheduled(frame);
    }

    /// Ends the connection from outside: the close frame goes behind what waits, nothing goes behind the close frame.
    /// Only the first end counts. The task is told.
    pub(crate) fn end(&self, close: Close, reason: String, farewell: Option<&str>) -> Pushed {
        let farewell = match self.kind {
            Kind::Json | Kind::Reliable => {
                farewell.map(|message| Frame::text(&server_frame::disconnected(message)))
            }
            Kind::Simple | Kind::SimplePublisher { .. } => None,
        };
        let pushed = self.delivery().close(close, reason, farewell);
        self.wake.notify_one();
        pushed
    }
}

/// Whether the client was heard of lately. Written by the connection's task, read by the sweep.
#[derive(Default)]
pub(crate) struct Pulse {
    heard: AtomicBool,
    /// Pings since the client was last heard.
    pings: AtomicU8,
    /// A handler is being awaited, so nothing is read, which is not the client's fault.
    busy: AtomicBool,
}

/// What the sweep finds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    /// Ask the client for a sign of life.
    Ping,
    /// It gave none since it was asked.
    Lost,
}

impl Pulse {
    pub(crate) fn heard(&self) {
        self.heard.store(true, Ordering::Relaxed);
    }

    pub(crate) fn set_busy(&self, busy: bool) {
        self.busy.store(busy, Ordering::Relaxed);
        self.heard();
    }

    /// Called once per keep-alive time.
    pub(crate) fn beat(&self) -> Beat {
        let heard = self.heard.swap(false, Ordering::Relaxed) || self.busy.load(Ordering::Relaxed);
        let unanswered = if heard { 0 } else { self.pings.load(Ordering::Relaxed) };
        self.pings.store(1, Ordering::Relaxed);
        if unanswered > 0 { Beat::Lost } else { Beat::Ping }
    }
}

/// A panic elsewhere does not make this data wrong: every change is complete in itself.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_client_is_lost_at_the_second_beat() {
        let pulse = Pulse::default();
        assert_eq!(pulse.beat(), Beat::Ping);
        pulse.heard();
        assert_eq!(pulse.beat(), Beat::Ping);
        assert_eq!(pulse.beat(), Beat::Lost);
    }

    #[test]
    fn waiting_for_a_handler_is_not_silence() {
        let pulse = Pulse::default();
        pulse.set_busy(true);
        assert_eq!([pulse.beat(), pulse.beat(), pulse.beat()], [Beat::Ping, Beat::Ping, Beat::Ping]);
        pulse.set_busy(false);
        assert_eq!([pulse.beat(), pulse.beat()], [Beat::Ping, Beat::Lost]);
    }
}
