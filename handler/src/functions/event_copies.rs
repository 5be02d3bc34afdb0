//! Events that come again: a service repeats what it had no answer to, and whoever has caught one may send it once more.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;
use webpubsub::cloud_events::{EventContext, EventKind};

use crate::error::{ApiError, Kind};
use crate::model::{HandledEvent, UserId};
use crate::ports::{Clock, Handled};

/// The id of a connection's first event.
const FIRST: &str = "0";
/// Connections whose users are kept in mind.
const CAPACITY: usize = 20_000;

/// The user events that change nothing when they come again: they only ask, say what holds for a moment, or raise a mark.
const ASKING: [&str; 23] = [
    "ack",
    "bans",
    "get_message",
    "get_room",
    "get_rooms",
    "history",
    "inbox",
    "invitations",
    "list_rooms",
    "me",
    "members",
    "message",
    "mutes",
    "my_rooms",
    "online",
    "pins",
    "presence",
    "reactions",
    "read",
    "readers",
    "search_rooms",
    "sync",
    "typing",
];
/// The event that the log itself knows again, by the client's id or else by the event's.
const SENDING: &str = "send";

/// The events that were acted on, and whose connections are whose.
#[derive(Clone)]
pub struct EventCopies {
    handled: Arc<dyn Handled>,
    clock: Arc<dyn Clock>,
    owners: Arc<Mutex<Owners>>,
}

type Owners = rustc_hash::FxHashMap<String, UserId>;

/// Whether an event is to be acted on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Copy {
    /// It is the first; what became of it is to be noted.
    First,
    /// It may be acted on as often as it comes.
    Harmless,
    /// It was acted on, for this user. It has no effect any more.
    Again(Option<UserId>),
}

impl EventCopies {
    #[must_use]
    pub fn new(handled: Arc<dyn Handled>, clock: Arc<dyn Clock>) -> Self {
        Self { handled, clock, owners: Arc::default() }
    }

    /// Looks an event up.
    pub(super) async fn look_up(&self, event: &EventContext, body: &[u8]) -> Result<Copy, ApiError> {
        if is_harmless(&event.kind, body) {
            return Ok(Copy::Harmless);
        }
        let found = self.handled.find(&event.connection_id, &event.id).await?;
        Ok(found.map_or(Copy::First, |first| Copy::Again(first.user)))
    }

    /// The event was acted on. Where this cannot be noted it stands all the same: its answer must not say that it failed.
    pub(super) async fn note(&self, event: &EventContext, user: Option<&UserId>) {
        let row = HandledEvent {
            connection: event.connection_id.clone(),
            id: event.id.clone(),
            user: user.cloned(),
            at: self.clock.now(),
        };
        if let Err(error) = self.handled.note(&row).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "an event was acted on and is not noted"
            );
        }
    }

    /// Holds an event's user against the one its connection was opened for. The signature says nothing of the user.
    pub(super) async fn check_user(&self, event: &EventContext) -> Result<(), ApiError> {
        if event.kind == EventKind::Connect {
            return Ok(());
        }
        let connection = &event.connection_id;
        let known = self.owners().get(connection).cloned();
        let owner = match known {
            Some(owner) => Some(owner),
            None => self.handled.find(connection, FIRST).await?.and_then(|first| first.user),
        };
        let Some(owner) = owner else { return Ok(()) };
        if event.user_id.as_deref() != Some(owner.as_str()) {
            let sentence = "The connection was opened for another user.";
            return Err(ApiError::field(Kind::WrongUser, "ce-userId", sentence));
        }
        let mut owners = self.owners();
        if event.kind == EventKind::Disconnected {
            owners.remove(connection);
        } else {
            if owners.len() >= CAPACITY {
                owners.clear();
            }
            owners.insert(connection.clone(), owner);
        }
        Ok(())
    }

    fn owners(&self) -> std::sync::MutexGuard<'_, Owners> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_harmless(kind: &EventKind, body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Frame<'a> {
        #[serde(borrow)]
        action: std::borrow::Cow<'a, str>,
    }
    let is_harmless = |name: &str| name == SENDING || ASKING.contains(&name);
    match kind {
        // A frame of a plain socket names its action inside.
        EventKind::User(name) if name == "message" => {
            serde_json::from_slice::<Frame<'_>>(body).is_ok_and(|frame| is_harmless(&frame.action))
        }
        EventKind::User(name) => is_harmless(name),
        _ => false,
    }
}
