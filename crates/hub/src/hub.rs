//! The hub itself: all its name spaces, handlers and tasks.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Once, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use tokio_util::task::TaskTracker;
use webpubsub::close::Close;
use webpubsub::key::AccessKey;
use webpubsub::names::HubName;

use crate::connection::Connection;
use crate::events::EventHandler;
use crate::flusher::Flusher;
use crate::groups::HubState;
use crate::id::ConnectionId;
use crate::options::HubOptions;
use crate::sweep;
use crate::target::Target;

/// An embedded Web PubSub service: any number of hubs, their connections, and the calls that reach them.
///
/// Cloning is cheap and gives the same hub. Its tasks start with the first client and end when the last clone and the
/// last connection are gone.
#[derive(Clone)]
pub struct Hub {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) options: HubOptions,
    hubs: RwLock<HashMap<HubName, Arc<HubState>>>,
    handlers: RwLock<Handlers>,
    pub(crate) flusher: Flusher,
    pub(crate) counters: Counters,
    /// The tasks of connections and of clients at the door.
    pub(crate) tasks: TaskTracker,
    /// Signs reconnection tokens. Connections do not outlive the process, so neither need the key.
    pub(crate) recovery_key: AccessKey,
    stopping: AtomicBool,
    started: Once,
}

#[derive(Default)]
struct Handlers {
    every_hub: Option<Arc<dyn EventHandler>>,
    by_hub: HashMap<HubName, Arc<dyn EventHandler>>,
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) messages_in: AtomicU64,
    pub(crate) deliveries: AtomicU64,
    pub(crate) slow_consumers: AtomicU64,
}

/// What a hub has done so far, and what it holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections now, lost reliable ones that may come back included.
    pub connections: usize,
    /// Frames of clients that were handled.
    pub messages_in: u64,
    /// Messages handed over to connections, each counted for each of its receivers.
    pub deliveries: u64,
    /// Connections closed because their client read too slowly or acknowledged too little.
    pub slow_consumers: u64,
}

impl Hub {
    /// A hub without clients and handlers.
    #[must_use]
    pub fn new(options: HubOptions) -> Self {
        let writers = std::thread::available_parallelism().map_or(1, usize::from);
        let mut secret = [0; 32];
        (options.random)(&mut secret);
        let inner = Inner {
            recovery_key: recovery_key(&secret),
            options,
            hubs: RwLock::default(),
            handlers: RwLock::default(),
            flusher: Flusher::new(writers.min(8)),
            counters: Counters::default(),
            tasks: TaskTracker::new(),
            stopping: AtomicBool::new(false),
            started: Once::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    #[must_use]
    pub fn options(&self) -> &HubOptions {
        &self.inner.options
    }

    /// Sets the event handler of one hub, or with `None` of every hub that has none of its own. Events that are under
    /// way stay with the former one.
    pub fn set_handler(&self, hub: Option<&HubName>, handler: Arc<dyn EventHandler>) {
        let mut handlers = write(&self.inner.handlers);
        match hub {
            Some(hub) => {
                handlers.by_hub.insert(hub.clone(), handler);
            }
            None => handlers.every_hub = Some(handler),
        }
    }

    pub(crate) fn handler(&self, hub: &HubName) -> Option<Arc<dyn EventHandler>> {
        let handlers = read(&self.inner.handlers);
        handlers.by_hub.get(hub).or(handlers.every_hub.as_ref()).cloned()
    }

    /// The number of connections of all hubs, lost reliable ones that may come back included.
    #[must_use]
    pub fn connection_count(&self) -> usize {
        self.all_hubs().iter().map(|hub| hub.len()).sum()
    }

    #[must_use]
    pub fn stats(&self) -> Stats {
        let counters = &self.inner.counters;
        Stats {
            connections: self.connection_count(),
            messages_in: counters.messages_in.load(Ordering::Relaxed),
            deliveries: counters.deliveries.load(Ordering::Relaxed),
            slow_consumers: counters.slow_consumers.load(Ordering::Relaxed),
        }
    }

    /// Lets nobody in any more, tells every client to connect again elsewhere (close 1001 behind what waits for it),
    /// and returns when the last `disconnected` event has been handled, or after `grace`.
    pub async fn shutdown(&self, grace: Duration) {
        self.inner.stopping.store(true, Ordering::Release);
        for hub in self.all_hubs() {
            for connection in hub.members(Target::All).iter() {
                self.end(connection, Close::GoingAway, Close::GoingAway.reason().to_owned(), None);
            }
        }
        self.inner.tasks.close();
        if tokio::time::timeout(grace, self.inner.tasks.wait()).await.is_err() {
            tracing::warn!(left = self.inner.tasks.len(), "connections were not over when the hub stopped");
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.inner.stopping.load(Ordering::Acquire)
    }

    /// Ends a connection and takes it out of the hub at once.
    pub(crate) fn end(
        &self,
        connection: &Arc<Connection>,
        close: Close,
        reason: String,
        farewell: Option<&str>,
    ) -> bool {
        if !self.unregister(connection) {
            return false;
        }
        if connection.end(close, reason, farewell) == crate::delivery::Pushed::Schedule {
            self.inner.flusher.schedule(connection);
        }
        true
    }

    pub(crate) fn find(&self, hub: &HubName) -> Option<Arc<HubState>> {
        read(&self.inner.hubs).get(hub).cloned()
    }

    pub(crate) fn all_hubs(&self) -> Vec<Arc<HubState>> {
        read(&self.inner.hubs).values().cloned().collect()
    }

    /// Makes a connection and adds it to its hub, which is made if need be.
    pub(crate) fn register(
        &self,
        hub: &HubName,
        groups: &[String],
        make: impl Fn(Arc<HubState>) -> Arc<Connection>,
    ) -> Arc<Connection> {
        self.inner.started.call_once(|| {
            self.inner.flusher.start();
            sweep::start(self);
        });
        loop {
            let state = write(&self.inner.hubs)
                .entry(hub.clone())
                .or_insert_with(|| Arc::new(HubState::new(hub.clone())))
                .clone();
            let connection = make(state.clone());
            if state.register(&connection, groups).is_ok() {
                return connection;
            }
        }
    }

    /// Takes a connection out of its hub, and forgets the hub with its last connection, because anonymous clients
    /// choose hub names. `true` the first time.
    pub(crate) fn unregister(&self, connection: &Connection) -> bool {
        let removed = connection.hub.unregister(connection);
        if removed {
            self.forget_if_empty(&connection.hub);
        }
        removed
    }

    /// Two connections may be the last at once, and both come here; the second may find another hub under the name.
    fn forget_if_empty(&self, hub: &HubState) {
        if hub.len() == 0 {
            let mut hubs = write(&self.inner.hubs);
            if hub.retire_if_empty() {
                hubs.remove(&hub.name);
            }
        }
    }

    pub(crate) fn new_id(&self) -> ConnectionId {
        let mut bytes = [0; 16];
        (self.inner.options.random)(&mut bytes);
        ConnectionId::new(bytes)
    }

    pub(crate) fn now(&self) -> u64 {
        (self.inner.options.clock)()
    }
}

#[expect(clippy::expect_used, reason = "64 digits are not an empty key")]
fn recovery_key(secret: &[u8]) -> AccessKey {
    AccessKey::new(hex::encode(secret)).expect("not empty")
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::groups::tests::connection;

    /// Both leave before either looks whether anybody is left.
    #[test]
    fn the_last_two_to_leave_take_no_hub_with_them_that_came_after() {
        let hub = Hub::new(HubOptions::new(Vec::new()));
        let name = HubName::new("chat").unwrap();
        let open = || {
            let mut hubs = write(&hub.inner.hubs);
            Arc::clone(hubs.entry(name.clone()).or_insert_with(|| Arc::new(HubState::new(name.clone()))))
        };
        let old = open();
        for connection in [connection(&old, 1), connection(&old, 2)] {
            assert!(old.unregister(&connection));
        }
        hub.forget_if_empty(&old);
        assert!(hub.find(&name).is_none());
        let new = open();
        let bob = connection(&new, 3);
        hub.forget_if_empty(&old);
        assert!(hub.find(&name).is_some_and(|found| Arc::ptr_eq(&found, &new)));
        assert!(hub.unregister(&bob));
        assert!(hub.find(&name).is_none());
    }
}
