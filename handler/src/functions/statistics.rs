use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::chat::Ports;
use crate::model::RoomId;

/// How old a count of rooms may be: counting reads them all.
const MAX_AGE: Duration = Duration::from_secs(5);
/// Rooms that are counted; beyond, the answer is this number.
const COUNTED: usize = 100_000;
const PAGE: usize = 1_000;

/// Numbers for health and metrics.
pub struct Statistics {
    /// Rooms with at least one open connection in them.
    active_rooms: Box<dyn Fn() -> usize + Send + Sync>,
    rooms: Mutex<Option<(Instant, usize)>>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    pub(super) connections: usize,
    pub(super) rooms: usize,
    pub(super) active_rooms: usize,
}

impl Statistics {
    #[must_use]
    pub fn new(active_rooms: impl Fn() -> usize + Send + Sync + 'static) -> Self {
        Self { active_rooms: Box::new(active_rooms), rooms: Mutex::new(None) }
    }

    pub(super) async fn now(&self, ports: &Ports) -> Counts {
        Counts {
            connections: ports.transport.connections().unwrap_or_default(),
            rooms: self.rooms(ports).await,
            active_rooms: (self.active_rooms)(),
        }
    }

    /// Held over the count on purpose: callers that come meanwhile wait for it instead of counting too.
    async fn rooms(&self, ports: &Ports) -> usize {
        let mut known = self.rooms.lock().await;
        if let Some((at, rooms)) = *known
            && at.elapsed() < MAX_AGE
        {
            return rooms;
        }
        let rooms = count(ports).await.unwrap_or_else(|| known.map_or(0, |(_, rooms)| rooms));
        *known = Some((Instant::now(), rooms));
        rooms
    }
}

/// `None` when the store does not answer.
async fn count(ports: &Ports) -> Option<usize> {
    let mut after: Option<RoomId> = None;
    let mut counted = 0;
    loop {
        let page = ports.rooms.list(after.as_ref(), PAGE).await.ok()?;
        counted += page.len();
        after = page.last().map(|room| room.id.clone());
        if page.len() < PAGE || counted >= COUNTED {
            return Some(counted);
        }
    }
}
