//! The broker: entities behind one lock, a journal behind them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use time::OffsetDateTime;
use tokio::sync::watch;

use super::entity::{Delivery, Entity};
use super::journal::{Change, Contents, Journal, Written};
use super::message::{Message, Stored, milliseconds};
use crate::config::EntityPath;
use crate::world;

/// Rules that hold for every entity.
#[derive(Clone, Debug)]
pub struct BrokerOptions {
    /// A message that was abandoned this often becomes a dead letter.
    pub max_delivery_count: u32,
    /// How long a message id is remembered; a repeat within is dropped and reported as success. `None` = never dropped.
    pub duplicate_window: Option<Duration>,
    /// The largest body in bytes.
    pub max_message_bytes: usize,
}

impl Default for BrokerOptions {
    /// Ten deliveries, ten minutes, 256 KB: what Service Bus has.
    fn default() -> Self {
        Self {
            max_delivery_count: 10,
            duplicate_window: Some(Duration::from_secs(600)),
            max_message_bytes: 256 * 1024,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    #[error("the broker's file {path} cannot be opened: {reason}")]
    Open { path: String, reason: String },
}

/// Why a message was not accepted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    #[error("there is no queue or topic '{0}'")]
    NoEntity(String),
    #[error("the SessionId was not set on a message, and the entity '{0}' requires sessions")]
    NoSession(String),
    #[error("the message is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the message could not be stored: {0}")]
    NotStored(String),
}

/// An entity as the status shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EntityStatus {
    /// Messages not yet completed, those in hand included.
    pub messages: usize,
    pub in_hand: usize,
    pub dead_letters: usize,
    pub duplicates_dropped: u64,
}

/// A handle; clones share the broker.
#[derive(Clone, Debug)]
pub struct Broker {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: BrokerOptions,
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    /// By lower-case path; a dead-letter queue's path ends in [`DEAD_LETTERS`].
    entities: BTreeMap<String, Entity>,
    /// Lower-case topic to the lower-case paths of its subscriptions.
    topics: BTreeMap<String, Vec<String>>,
    journal: Journal,
}

const DEAD_LETTERS: &str = "/$deadletterqueue";

impl EntityPath {
    /// The entity's key: names do not differ by case.
    pub(crate) fn key(&self) -> String {
        let suffix = if self.dead_letters { DEAD_LETTERS } else { "" };
        format!("{}{suffix}", self.base.to_ascii_lowercase())
    }
}

impl Broker {
    /// Opens the file, or keeps everything in memory without one.
    ///
    /// # Errors
    /// The file cannot be opened, or another process has it.
    pub fn open(file: Option<&Path>, options: BrokerOptions) -> Result<Self, BrokerError> {
        let (journal, contents) = match file {
            None => (Journal::in_memory(), Contents::default()),
            Some(path) => Journal::open(path)
                .map_err(|reason| BrokerError::Open { path: path.display().to_string(), reason })?,
        };
        let mut state = State { entities: BTreeMap::new(), topics: BTreeMap::new(), journal };
        state.load(contents);
        let inner = Inner { options, state: Mutex::new(state), changed: watch::Sender::new(0) };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Makes an entity and its dead-letter queue known; a subscription makes its topic.
    pub fn declare(&self, base: &str, needs_sessions: bool) {
        let mut state = self.lock();
        let key = base.to_ascii_lowercase();
        let entity = state.entities.entry(key.clone()).or_insert_with(|| Entity::new(base));
        base.clone_into(&mut entity.path);
        entity.needs_sessions |= needs_sessions;
        let dead = format!("{base}{DEAD_LETTERS}");
        state.entities.entry(dead.to_ascii_lowercase()).or_insert_with(|| Entity::new(&dead));
        if let Some((topic, _)) = key.split_once("/subscriptions/") {
            let subscriptions = state.topics.entry(topic.to_owned()).or_default();
            if !subscriptions.contains(&key) {
                subscriptions.push(key.clone());
            }
        }
    }

    /// Accepts a message for a queue, or a copy for each subscription of a topic. After `Ok` it is on disk.
    ///
    /// # Errors
    /// See [`SendError`]. After `NotStored` the message may be there or not.
    pub async fn send(&self, name: &str, message: Message) -> Result<(), SendError> {
        let written = self.accept(name, message, world::now())?;
        self.announce();
        written.wait().await.map_err(SendError::NotStored)
    }

    fn accept(&self, name: &str, mut message: Message, now: OffsetDateTime) -> Result<Written, SendError> {
        let now = milliseconds::moment(milliseconds::of(now));
        if message.body.len() > self.inner.options.max_message_bytes {
            return Err(SendError::TooLarge(self.inner.options.max_message_bytes));
        }
        if message.message_id.is_empty() {
            message.message_id = world::guid().replace('-', "");
        }
        let mut state = self.lock();
        let keys = state.targets(name).ok_or_else(|| SendError::NoEntity(name.to_owned()))?;
        let without_session = message.session_id.is_none();
        if without_session
            && keys.iter().any(|key| state.entities.get(key).is_some_and(|it| it.needs_sessions))
        {
            return Err(SendError::NoSession(name.to_owned()));
        }
        let mut changes = Vec::new();
        for key in keys {
            let Some(entity) = state.entities.get_mut(&key) else { continue };
            if let Some(window) = self.inner.options.duplicate_window {
                let forgotten = entity.forget_before(now - window);
                changes.extend(
                    forgotten.into_iter().map(|id| Change::Forget { entity: key.clone(), message_id: id }),
                );
                if !entity.remember(&message.message_id, now) {
                    entity.duplicates += 1;
                    continue;
                }
                changes.push(Change::Seen {
                    entity: key.clone(),
                    message_id: message.message_id.clone(),
                    at_ms: milliseconds::of(now),
                });
            }
            let stored = Box::new(entity.add(message.clone(), now));
            changes.push(Change::Put { entity: key, stored });
        }
        // Written under the lock, so that the file has the order of the sequence numbers.
        Ok(state.journal.write(changes))
    }

    /// Takes the oldest free message of an entity without sessions.
    pub(crate) fn take(&self, key: &str) -> Option<Delivery> {
        self.expire(key, world::now());
        self.lock().entities.get_mut(key)?.take(world::guid())
    }

    /// Makes dead letters of what has waited too long. The service does so when somebody receives, or a little later; dead
    /// letters themselves live for ever.
    fn expire(&self, key: &str, now: OffsetDateTime) {
        if key.ends_with(DEAD_LETTERS) {
            return;
        }
        let mut state = self.lock();
        let expired = state.entities.get(key).map(|entity| entity.expired(now)).unwrap_or_default();
        for number in &expired {
            state.bury(key, *number, "TTLExpiredException", "The message expired and was dead lettered.");
        }
        drop(state);
        if !expired.is_empty() {
            self.announce();
        }
    }

    /// Locks a session that has messages and no holder.
    pub(crate) fn accept_session(&self, key: &str) -> Option<String> {
        self.expire(key, world::now());
        self.lock().entities.get_mut(key)?.accept_session()
    }

    pub(crate) fn release_session(&self, key: &str, session: &str) {
        if let Some(entity) = self.lock().entities.get_mut(key) {
            entity.release_session(session);
        }
        self.announce();
    }

    pub(crate) fn take_in_session(&self, key: &str, session: &str) -> Option<Delivery> {
        self.lock().entities.get_mut(key)?.take_in_session(session, world::guid())
    }

    /// Removes a message for good.
    pub(crate) fn complete(&self, key: &str, delivery: &Delivery) {
        let number = delivery.stored.sequence_number;
        let mut state = self.lock();
        if let Some(entity) = state.entities.get_mut(key) {
            entity.remove(number);
        }
        state.record(Change::Remove { entity: key.to_owned(), sequence_number: number });
        drop(state);
        self.announce();
    }

    /// Gives a message back, or makes it a dead letter when that was its last delivery. A dead letter goes back for
    /// ever.
    pub(crate) fn abandon(&self, key: &str, delivery: &Delivery) {
        let mut state = self.lock();
        let number = delivery.stored.sequence_number;
        let last = delivery.stored.delivery_count >= self.inner.options.max_delivery_count;
        if last && !key.ends_with(DEAD_LETTERS) {
            let limit = self.inner.options.max_delivery_count;
            let description = format!("Message could not be consumed after {limit} delivery attempts.");
            state.bury(key, number, "MaxDeliveryCountExceeded", &description);
        } else if let Some(entity) = state.entities.get_mut(key) {
            entity.unlock(number);
            state.record(Change::Put { entity: key.to_owned(), stored: Box::new(delivery.stored.clone()) });
        }
        drop(state);
        self.announce();
    }

    /// Tells of every change; wait on it when there is nothing to take.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changed.subscribe()
    }

    /// Wakes everybody who waits for a change.
    pub(crate) fn announce(&self) {
        self.inner.changed.send_modify(|version| *version += 1);
    }

    /// The messages of an entity (`queue`, `topic/Subscriptions/name`, either with `/$deadletterqueue`), oldest first.
    #[must_use]
    pub fn messages(&self, path: &str) -> Vec<Stored> {
        let state = self.lock();
        state
            .entities
            .get(&path.to_ascii_lowercase())
            .map(|it| it.messages().cloned().collect())
            .unwrap_or_default()
    }

    /// Every queue and subscription with its counts.
    #[must_use]
    pub fn status(&self) -> BTreeMap<String, EntityStatus> {
        let state = self.lock();
        let living = state.entities.iter().filter(|(key, _)| !key.ends_with(DEAD_LETTERS));
        living
            .map(|(key, entity)| {
                let dead = state.entities.get(&format!("{key}{DEAD_LETTERS}")).map_or(0, Entity::len);
                let status = EntityStatus {
                    messages: entity.len(),
                    in_hand: entity.locked(),
                    dead_letters: dead,
                    duplicates_dropped: entity.duplicates,
                };
                (entity.path.clone(), status)
            })
            .collect()
    }

    /// Nothing panics while it holds the lock, and the state is whole between two statements; so a poisoned lock is
    /// taken as it is.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn load(&mut self, contents: Contents) {
        for (key, last) in contents.sequences {
            self.entity(&key).raise_last(last);
        }
        for (key, stored) in contents.messages {
            self.entity(&key).restore(stored);
        }
        let mut seen = contents.seen;
        seen.sort_by_key(|(_, _, at_ms)| *at_ms);
        for (key, id, at_ms) in seen {
            self.entity(&key).remember(&id, milliseconds::moment(at_ms));
        }
    }

    fn entity(&mut self, key: &str) -> &mut Entity {
        self.entities.entry(key.to_owned()).or_insert_with(|| Entity::new(key))
    }

    /// Where a message for this queue or topic goes. Nothing is sent to a subscription or a dead-letter queue.
    fn targets(&self, name: &str) -> Option<Vec<String>> {
        let key = name.to_ascii_lowercase();
        if let Some(subscriptions) = self.topics.get(&key) {
            return Some(subscriptions.clone());
        }
        (self.entities.contains_key(&key) && !key.contains('/')).then(|| vec![key])
    }

    /// Writes a change that nobody waits for: losing it means one more delivery.
    fn record(&self, change: Change) {
        drop(self.journal.write(vec![change]));
    }

    fn bury(&mut self, key: &str, number: u64, reason: &str, description: &str) {
        let Some(entity) = self.entities.get_mut(key) else { return };
        let source = entity.path.clone();
        let Some(mut stored) = entity.remove(number) else { return };
        self.record(Change::Remove { entity: key.to_owned(), sequence_number: number });
        let dead_key = format!("{key}{DEAD_LETTERS}");
        let graveyard = self.entity(&dead_key);
        stored.sequence_number = graveyard.next_number();
        stored.dead_letter_source = Some(source);
        stored.message.properties.push(("DeadLetterReason".into(), json!(reason)));
        stored.message.properties.push(("DeadLetterErrorDescription".into(), json!(description)));
        graveyard.restore(stored.clone());
        self.record(Change::Put { entity: dead_key, stored: Box::new(stored) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broker(file: Option<&Path>) -> Broker {
        let broker = Broker::open(file, BrokerOptions::default()).unwrap();
        broker.declare("Chat-Queue", true);
        broker.declare("plain", false);
        broker.declare("t/Subscriptions/a", false);
        broker.declare("t/Subscriptions/b", false);
        broker
    }

    fn ids(broker: &Broker, path: &str) -> Vec<String> {
        broker.messages(path).into_iter().map(|stored| stored.message.message_id).collect()
    }

    #[tokio::test]
    async fn a_session_is_held_by_one_and_keeps_its_order() {
        let broker = broker(None);
        for (id, session) in [("1", "x"), ("2", "y"), ("3", "x")] {
            broker.send("chat-queue", Message::new("m").with_id(id).with_session(session)).await.unwrap();
        }
        let key = "chat-queue";
        assert_eq!(broker.accept_session(key).as_deref(), Some("x"));
        assert_eq!(broker.accept_session(key).as_deref(), Some("y"));
        assert_eq!(broker.accept_session(key), None);
        let first = broker.take_in_session(key, "x").unwrap();
        broker.abandon(key, &first);
        let again = broker.take_in_session(key, "x").unwrap();
        assert_eq!((again.stored.message.message_id.as_str(), again.stored.delivery_count), ("1", 2));
        assert_ne!(again.lock_token, first.lock_token);
        broker.complete(key, &again);
        assert_eq!(broker.take_in_session(key, "x").unwrap().stored.message.message_id, "3");
    }

    #[tokio::test]
    async fn the_tenth_failure_makes_a_dead_letter_and_a_dead_letter_stays_one() {
        let broker = broker(None);
        broker.send("plain", Message::new("m").with_id("1")).await.unwrap();
        for _ in 0..10 {
            let delivery = broker.take("plain").unwrap();
            broker.abandon("plain", &delivery);
        }
        assert!(broker.take("plain").is_none());
        for count in 11..40 {
            let delivery = broker.take("plain/$deadletterqueue").unwrap();
            assert_eq!(delivery.stored.delivery_count, count);
            broker.abandon("plain/$deadletterqueue", &delivery);
        }
        let dead = &broker.messages("plain/$DeadLetterQueue")[0];
        assert_eq!(dead.dead_letter_source.as_deref(), Some("plain"));
        assert_eq!(dead.message.property("DeadLetterReason"), Some("MaxDeliveryCountExceeded"));
    }

    #[tokio::test]
    async fn what_waits_too_long_becomes_a_dead_letter_and_stays_one() {
        let broker = broker(None);
        let short = Message::new("m").with_id("1").with_time_to_live(Duration::from_secs(60));
        broker.send("plain", short).await.unwrap();
        broker.send("plain", Message::new("m").with_id("2")).await.unwrap();
        broker.expire("plain", world::now() + time::Duration::seconds(59));
        assert_eq!(ids(&broker, "plain"), ["1", "2"]);
        let held = broker.take("plain").unwrap();
        broker.expire("plain", world::now() + time::Duration::seconds(61));
        assert_eq!(ids(&broker, "plain"), ["1", "2"], "it is in somebody's hands");
        broker.abandon("plain", &held);
        for _ in 0..2 {
            broker.expire("plain", world::now() + time::Duration::seconds(61));
            broker.expire("plain/$deadletterqueue", world::now() + time::Duration::seconds(61));
        }
        assert_eq!(ids(&broker, "plain"), ["2"]);
        let dead = &broker.messages("plain/$deadletterqueue")[0];
        assert_eq!(dead.message.property("DeadLetterReason"), Some("TTLExpiredException"));
    }

    #[tokio::test]
    async fn a_repeated_id_is_dropped_within_the_window_only() {
        let broker = broker(None);
        let at = OffsetDateTime::UNIX_EPOCH;
        let send = |id: &str, minutes: i64| {
            broker
                .accept("plain", Message::new("m").with_id(id), at + time::Duration::minutes(minutes))
                .map(drop)
        };
        assert_eq!(send("1", 0), Ok(()));
        assert_eq!(send("1", 9), Ok(()));
        assert_eq!(broker.messages("plain").len(), 1);
        assert_eq!(send("1", 11), Ok(()));
        assert_eq!(broker.messages("plain").len(), 2);
        assert_eq!(broker.status()["plain"].duplicates_dropped, 1);
    }

    #[tokio::test]
    async fn a_topic_gives_each_subscription_its_copy() {
        let broker = broker(None);
        broker.send("T", Message::new("m").with_id("1")).await.unwrap();
        assert_eq!(ids(&broker, "t/subscriptions/a"), ["1"]);
        assert_eq!(ids(&broker, "t/subscriptions/b"), ["1"]);
    }

    #[tokio::test]
    async fn refuses_with_a_reason() {
        let broker = broker(None);
        let none = broker.send("nowhere", Message::new("m")).await;
        assert_eq!(none, Err(SendError::NoEntity("nowhere".into())));
        let to_subscription = broker.send("t/Subscriptions/a", Message::new("m")).await;
        assert!(matches!(to_subscription, Err(SendError::NoEntity(_))));
        assert!(matches!(broker.send("chat-queue", Message::new("m")).await, Err(SendError::NoSession(_))));
        let large = broker.send("plain", Message::new(vec![0; 262_145])).await;
        assert_eq!(large, Err(SendError::TooLarge(262_144)));
    }

    #[tokio::test]
    async fn what_was_accepted_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("broker.redb");
        {
            let broker = broker(Some(&file));
            for id in ["1", "2", "3"] {
                broker.send("plain", Message::new("m").with_id(id).with_property("n", 7)).await.unwrap();
            }
            let delivery = broker.take("plain").unwrap();
            broker.complete("plain", &delivery);
            // The writer works in order: when this is on disk, so is the completion.
            broker.send("t", Message::new("m").with_id("4")).await.unwrap();
        }
        let reopened = reopen(&file).await;
        assert_eq!(ids(&reopened, "plain"), ["2", "3"]);
        assert_eq!(reopened.messages("plain")[0].message.properties, [("n".to_owned(), json!(7))]);
        reopened.send("plain", Message::new("m").with_id("1")).await.unwrap();
        assert_eq!(ids(&reopened, "plain"), ["2", "3"], "a repeat is known across a restart");
        reopened.send("plain", Message::new("m").with_id("5")).await.unwrap();
        assert_eq!(reopened.messages("plain")[2].sequence_number, 4, "numbers are not given twice");
    }

    /// The former writer thread closes the file a moment after its broker was dropped.
    async fn reopen(file: &Path) -> Broker {
        let opened = async {
            loop {
                match Broker::open(Some(file), BrokerOptions::default()) {
                    Ok(broker) => return broker,
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        };
        let reopened = tokio::time::timeout(Duration::from_secs(10), opened).await.unwrap();
        reopened.declare("plain", false);
        reopened.declare("t/Subscriptions/a", false);
        reopened
    }
}
