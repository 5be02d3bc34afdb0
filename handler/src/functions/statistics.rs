use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::chat::{Ports, groups};
use crate::model::RoomId;

/// How old a count may be. Anybody may ask, and counting reads all rooms.
const MAX_AGE: Duration = Duration::from_secs(1);
/// The same of more than a page.
const MAX_AGE_OF_MANY: Duration = Duration::from_secs(5);
/// Rooms that are counted; beyond, the answer is this number.
const COUNTED: usize = 100_000;
/// How long a store may take; after that the former count stands.
const PATIENCE: Duration = Duration::from_secs(1);
const PAGE: usize = 1_000;

/// Numbers for health and metrics.
pub struct Statistics {
    /// Whether a group has an open connection in it.
    is_live: Box<dyn Fn(&str) -> bool + Send + Sync>,
    store: Arc<dyn Fn() -> RemoteStore + Send + Sync>,
    rooms: Mutex<Option<(Instant, Rooms)>>,
}

/// What a store on another machine counts of itself, so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct RemoteStore {
    /// Appends that another process came before.
    pub conflicts: u64,
    /// Requests sent to it, a transaction being one.
    pub requests: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    pub(super) connections: usize,
    pub(super) rooms: usize,
    pub(super) active_rooms: usize,
    pub(super) store: RemoteStore,
}

#[derive(Clone, Copy, Debug, Default)]
struct Rooms {
    all: usize,
    active: usize,
}

impl Rooms {
    fn max_age(self) -> Duration {
        if self.all > PAGE { MAX_AGE_OF_MANY } else { MAX_AGE }
    }
}

enum Claim {
    Known(Rooms),
    Count { before: Rooms },
}

impl Statistics {
    #[must_use]
    pub fn new(is_live: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self { is_live: Box::new(is_live), store: Arc::new(RemoteStore::default), rooms: Mutex::new(None) }
    }

    /// Where the store is another machine's, and other processes write to it.
    #[must_use]
    pub fn with_remote_store(self, store: Arc<dyn Fn() -> RemoteStore + Send + Sync>) -> Self {
        Self { store, ..self }
    }

    pub(super) async fn now(&self, ports: &Ports) -> Counts {
        let rooms = self.rooms(ports).await;
        Counts {
            connections: ports.transport.connections().unwrap_or_default(),
            rooms: rooms.all,
            active_rooms: rooms.active,
            store: (self.store)(),
        }
    }

    async fn rooms(&self, ports: &Ports) -> Rooms {
        let before = match self.claim() {
            Claim::Known(rooms) => return rooms,
            Claim::Count { before } => before,
        };
        let counted = timeout(PATIENCE, self.count(ports)).await;
        let rooms = counted.ok().flatten().unwrap_or(before);
        *self.known() = Some((Instant::now(), rooms));
        rooms
    }

    /// A count that is due is left to one caller; those that come meanwhile get the former one.
    fn claim(&self) -> Claim {
        let mut known = self.known();
        match known.as_mut() {
            Some((at, rooms)) if at.elapsed() < rooms.max_age() => Claim::Known(*rooms),
            Some((at, rooms)) => {
                *at = Instant::now();
                Claim::Count { before: *rooms }
            }
            None => Claim::Count { before: Rooms::default() },
        }
    }

    fn known(&self) -> MutexGuard<'_, Option<(Instant, Rooms)>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` when the store does not answer.
    async fn count(&self, ports: &Ports) -> Option<Rooms> {
        let mut after: Option<RoomId> = None;
        let mut counted = Rooms::default();
        loop {
            let page = ports.rooms.list(after.as_ref(), PAGE).await.ok()?;
            counted.all += page.len();
            counted.active += page.iter().filter(|room| (self.is_live)(&groups::room(&room.id))).count();
            after = page.last().map(|room| room.id.clone());
            if page.len() < PAGE || counted.all >= COUNTED {
                return Some(counted);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn few_rooms_are_counted_once_a_second_and_many_less_often() {
        for (all, age) in [(3, MAX_AGE), (PAGE + 1, MAX_AGE_OF_MANY)] {
            let statistics = Statistics::new(|_| true);
            let is_counted = || matches!(statistics.claim(), Claim::Count { .. });
            assert!(is_counted());
            *statistics.known() = Some((Instant::now(), Rooms { all, active: 1 }));
            assert!(!is_counted(), "{all}");
            tokio::time::advance(age).await;
            assert!(is_counted(), "{all}");
            assert!(!is_counted(), "one counts");
        }
    }
}
