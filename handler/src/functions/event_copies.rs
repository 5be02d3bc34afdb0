//! Events that come again: a service repeats what it had no answer to, and whoever has caught one may send it once more.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;
use webpubsub::cloud_events::{EventContext, EventKind};

use crate::error::{ApiError, Kind};
use crate::model::{HandledEvent, UserId, bounds};
use crate::ports::{Clock, Handled};

/// How often old notes are looked for.
const FORGET_EVERY: Duration = Duration::from_secs(3_600);
const FORGOTTEN: usize = 1_000;
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
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    owners: rustc_hash::FxHashMap<String, UserId>,
    looked_at: Option<Instant>,
}

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
        Self { handled, clock, inner: Arc::default() }
    }

    /// Looks an event up. One without an id has nothing to be known by.
    pub(super) async fn look_up(&self, event: &EventContext, body: &[u8]) -> Result<Copy, ApiError> {
        if event.id.is_empty() || is_harmless(&event.kind, body) {
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
        self.forget_old();
    }

    /// Holds an event's user against the one its connection was opened for. The signature says nothing of the user.
    pub(super) async fn check_user(&self, event: &EventContext) -> Result<(), ApiError> {
        if event.kind == EventKind::Connect {
            return Ok(());
        }
        let connection = &event.connection_id;
        let known = self.inner().owners.get(connection).cloned();
        let owner = match known {
            Some(owner) => Some(owner),
            None => self.handled.find(connection, FIRST).await?.and_then(|first| first.user),
        };
        let Some(owner) = owner else { return Ok(()) };
        if event.user_id.as_deref() != Some(owner.as_str()) {
            let sentence = "The connection was opened for another user.";
            return Err(ApiError::field(Kind::WrongUser, "ce-userId", sentence));
        }
        let mut inner = self.inner();
        if event.kind == EventKind::Disconnected {
            inner.owners.remove(connection);
        } else {
            if inner.owners.len() >= CAPACITY {
                inner.owners.clear();
            }
            inner.owners.insert(connection.clone(), owner);
        }
        Ok(())
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every process does so now and then, in a task of its own.
    fn forget_old(&self) {
        let now = Instant::now();
        {
            let mut inner = self.inner();
            if inner.looked_at.is_some_and(|at| now < at + FORGET_EVERY) {
                return;
            }
            inner.looked_at = Some(now);
        }
        let (handled, now) = (Arc::clone(&self.handled), self.clock.now());
        let before = now.days_before(bounds::MARKER_DAYS);
        tokio::spawn(async move {
            if let Err(error) = handled.forget(before, FORGOTTEN).await {
                tracing::debug!(error = &error as &dyn std::error::Error, "old events were not forgotten");
            }
        });
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
