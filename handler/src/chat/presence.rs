//! Tells rooms who came online and who went offline.
//!
//! Coming is told at once. Going is told after a while, and only of who has not come back by then, on any instance: a
//! connection that is replaced shows nothing. A user is watched while there is something to tell: by a task that ends when
//! the rooms know what holds. What a crash leaves untold, clients find when they ask again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustc_hash::FxHashMap;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::Ports;
use super::pulse::Pulse;
use crate::model::{RoomId, UserId};
use crate::ports::StoreError;

/// How long who is gone may take to come back before anybody hears of it.
const GRACE: Duration = Duration::from_secs(5);
/// The rooms of a user that hear of it: the first ones by id.
pub(super) const ROOMS_TOLD: usize = 100;
/// Users watched at once. Of others nothing is told.
const WATCHED: usize = 50_000;
/// Users whose rooms are read at once.
const READ_AT_ONCE: usize = 16;

pub(super) struct Presence {
    ports: Ports,
    pulse: Arc<Pulse>,
    watched: Mutex<FxHashMap<UserId, Watch>>,
    reads: Semaphore,
}

struct Watch {
    /// What the rooms believe.
    told: bool,
    /// What holds, and since when.
    online: bool,
    since: Instant,
    /// Where coming is told.
    rooms: Vec<RoomId>,
}

enum Step {
    Wait(Instant),
    Came(Vec<RoomId>),
    Went,
}

impl Watch {
    /// What is to be done now; `None` when the rooms know what holds.
    fn step(&mut self, now: Instant) -> Option<Step> {
        let due = self.since + GRACE;
        if self.told == self.online {
            return None;
        }
        if !self.online && now < due {
            return Some(Step::Wait(due));
        }
        self.told = self.online;
        Some(if self.online { Step::Came(std::mem::take(&mut self.rooms)) } else { Step::Went })
    }
}

impl Presence {
    pub(super) fn new(ports: Ports, pulse: Arc<Pulse>) -> Self {
        Self { ports, pulse, watched: Mutex::default(), reads: Semaphore::new(READ_AT_ONCE) }
    }

    /// The user's first connection was confirmed. These rooms are told.
    pub(super) fn came(self: &Arc<Self>, user: &UserId, rooms: Vec<RoomId>) {
        self.note(user, true, rooms);
    }

    /// The user's last connection ended.
    pub(super) fn went(self: &Arc<Self>, user: &UserId) {
        self.note(user, false, Vec::new());
    }

    /// Users who are watched.
    #[cfg(test)]
    pub(super) fn watched(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, FxHashMap<UserId, Watch>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(self: &Arc<Self>, user: &UserId, online: bool, rooms: Vec<RoomId>) {
        let (since, mut watched) = (Instant::now(), self.lock());
        if let Some(watch) = watched.get_mut(user) {
            *watch = Watch { told: watch.told, online, since, rooms };
            return;
        }
        if watched.len() >= WATCHED {
            return;
        }
        watched.insert(user.clone(), Watch { told: !online, online, since, rooms });
        drop(watched);
        tokio::spawn(Arc::clone(self).watch(user.clone()));
    }

    async fn watch(self: Arc<Self>, user: UserId) {
        while let Some(step) = self.next(&user) {
            match step {
                Step::Wait(until) => tokio::time::sleep_until(until).await,
                Step::Came(rooms) => self.tell(&user, true, &rooms),
                Step::Went => match self.rooms_left(&user).await {
                    Ok(rooms) => self.tell(&user, false, &rooms),
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::debug!(error, "that somebody went offline was not told");
                    }
                },
            }
        }
    }

    /// What is due. Who needs no watching goes, under the lock that notes take.
    fn next(&self, user: &UserId) -> Option<Step> {
        let mut watched = self.lock();
        let step = watched.get_mut(user)?.step(Instant::now());
        if step.is_none() {
            watched.remove(user);
        }
        step
    }

    /// The rooms to tell that the user is gone; none when they are back by another instance.
    async fn rooms_left(&self, user: &UserId) -> Result<Vec<RoomId>, StoreError> {
        let _turn = self.reads.acquire().await;
        if self.ports.leases.online(std::slice::from_ref(user)).await?.contains(&true) {
            return Ok(Vec::new());
        }
        let rooms = self.ports.members.rooms_of(user, None, ROOMS_TOLD).await?;
        Ok(rooms.into_iter().map(|(room, _)| room).collect())
    }

    fn tell(&self, user: &UserId, online: bool, rooms: &[RoomId]) {
        for room in rooms {
            self.pulse.presence(room, user, online);
        }
    }
}
