//! Tells everybody how the list of public rooms stands after it changed: `rooms_updated`, to the group of the list.
//!
//! An actor gathers what changed, sends at most once a second, and ends when there is nothing more to tell.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

use super::{Ports, Refused, RoomView, groups, view};
use crate::model::{Room, RoomId};

/// What changes within this time after a quiet second goes out together.
const GATHER: Duration = Duration::from_millis(100);
/// From one notice to the next, at least.
const APART: Duration = Duration::from_secs(1);
/// Rooms of a notice, at most.
const ROOMS: usize = 100;
/// Rows looked at to see whether that is all of them.
const SCAN: usize = 1_000;

#[derive(Serialize)]
struct RoomsUpdated {
    r#type: &'static str,
    rooms: Vec<RoomView>,
    /// There are more public rooms than these, which are those that changed last.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

/// The notices of this process.
pub(super) struct RoomNotices(Arc<Shared>);

struct Shared {
    ports: Ports,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The rooms that changed last, the latest first.
    recent: VecDeque<RoomId>,
    changed: bool,
    running: bool,
}

impl RoomNotices {
    pub(super) fn new(ports: Ports) -> Self {
        Self(Arc::new(Shared { ports, state: Mutex::default() }))
    }

    /// A public room changed, or its member count, or it came, went, opened or closed to the public.
    pub(super) fn touch(&self, room: &RoomId) {
        let mut state = self.0.state();
        state.recent.retain(|other| other != room);
        state.recent.truncate(ROOMS - 1);
        state.recent.push_front(room.clone());
        state.changed = true;
        if !state.running {
            state.running = true;
            tokio::spawn(Arc::clone(&self.0).run());
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(self: Arc<Self>) {
        tokio::time::sleep(GATHER).await;
        while let Some(recent) = self.take() {
            if let Err(refused) = self.tell(&recent).await {
                tracing::debug!(code = refused.code, "the change of the list of rooms is told later");
                self.state().changed = true;
            }
            tokio::time::sleep(APART).await;
        }
    }

    /// What is to be told; `None` ends the actor.
    fn take(&self) -> Option<Vec<RoomId>> {
        let mut state = self.state();
        state.running = std::mem::take(&mut state.changed);
        state.running.then(|| state.recent.iter().cloned().collect())
    }

    async fn tell(&self, recent: &[RoomId]) -> Result<(), Refused> {
        let (rooms, truncated) = match self.all_public().await? {
            Some(rooms) => (rooms, false),
            None => (self.public_of(recent).await?, true),
        };
        let mut views = Vec::with_capacity(rooms.len());
        for room in rooms {
            views.push(RoomView::new(&room, self.ports.members.count(&room.id).await?));
        }
        let notice = RoomsUpdated { r#type: "rooms_updated", rooms: views, truncated };
        Ok(self.ports.transport.publish(groups::ROOM_LIST, view::encode(&notice), &[]).await?)
    }

    /// All public rooms by id; `None` where they are more than a notice holds.
    async fn all_public(&self) -> Result<Option<Vec<Room>>, Refused> {
        let rows = self.ports.rooms.list(None, SCAN).await?;
        let is_all = rows.len() < SCAN;
        let public: Vec<_> = rows.into_iter().filter(|room| !room.is_private).collect();
        Ok((is_all && public.len() <= ROOMS).then_some(public))
    }

    async fn public_of(&self, recent: &[RoomId]) -> Result<Vec<Room>, Refused> {
        let mut rooms = Vec::with_capacity(recent.len());
        for id in recent {
            rooms.extend(self.ports.rooms.get(id).await?.filter(|room| !room.is_private));
        }
        Ok(rooms)
    }
}
