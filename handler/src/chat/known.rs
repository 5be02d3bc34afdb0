use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustc_hash::FxHashMap;
use tokio::time::Instant;

use super::Ports;
use crate::model::{Member, Room, RoomId, Sanction, UserId};
use crate::ports::{Members, Rooms, Sanctions, StoreError};

/// How old a copy may be where a message is accepted: it is looked at again when it is appended.
pub(super) const AT_INGEST: Duration = Duration::from_secs(30);
/// How old a copy may be where a message is appended. A ban stops sends within this time.
pub(super) const AT_APPEND: Duration = Duration::from_secs(2);

/// Copies kept at most, of each kind.
const CAPACITY: usize = 20_000;

/// What this process has lately read of rooms and memberships. Of rooms and memberships only what exists is kept, so
/// guessing ids fills nothing.
pub(super) struct Known {
    rooms_port: Arc<dyn Rooms>,
    members_port: Arc<dyn Members>,
    sanctions_port: Arc<dyn Sanctions>,
    rooms: Copies<RoomId, Arc<Room>>,
    members: Copies<(RoomId, UserId), Arc<Member>>,
    /// Of those without any too: nearly everybody who sends is one, and would cost a read each time.
    sanctions: Copies<(RoomId, UserId), Arc<[Sanction]>>,
}

impl Known {
    pub(super) fn new(ports: &Ports) -> Self {
        Self {
            rooms_port: Arc::clone(&ports.rooms),
            members_port: Arc::clone(&ports.members),
            sanctions_port: Arc::clone(&ports.sanctions),
            rooms: Copies::default(),
            members: Copies::default(),
            sanctions: Copies::default(),
        }
    }

    /// The room, from a copy younger than `max_age`, else from the store.
    pub(super) async fn room(&self, id: &RoomId, max_age: Duration) -> Result<Option<Arc<Room>>, StoreError> {
        if let Some(room) = self.rooms.get(id, max_age) {
            return Ok(Some(room));
        }
        let asked = Instant::now();
        let room = self.rooms_port.get(id).await?.map(Arc::new);
        self.rooms.set(id.clone(), room.clone(), asked);
        Ok(room)
    }

    /// The user's membership, likewise.
    pub(super) async fn member(
        &self,
        room: &RoomId,
        user: &UserId,
        max_age: Duration,
    ) -> Result<Option<Arc<Member>>, StoreError> {
        let key = (room.clone(), user.clone());
        if let Some(member) = self.members.get(&key, max_age) {
            return Ok(Some(member));
        }
        let asked = Instant::now();
        let member = self.members_port.get(room, user).await?.map(Arc::new);
        self.members.set(key, member.clone(), asked);
        Ok(member)
    }

    /// What is laid on the user in the room, likewise; also what is past.
    pub(super) async fn sanctions(
        &self,
        room: &RoomId,
        user: &UserId,
        max_age: Duration,
    ) -> Result<Arc<[Sanction]>, StoreError> {
        let key = (room.clone(), user.clone());
        if let Some(rows) = self.sanctions.get(&key, max_age) {
            return Ok(rows);
        }
        let asked = Instant::now();
        let rows: Arc<[Sanction]> = self.sanctions_port.of(room, user).await?.into();
        self.sanctions.set(key, Some(Arc::clone(&rows)), asked);
        Ok(rows)
    }

    pub(super) fn forget_sanctions(&self, room: &RoomId, user: &UserId) {
        self.sanctions.set((room.clone(), user.clone()), None, Instant::now());
    }

    pub(super) fn forget_room(&self, room: &RoomId) {
        self.rooms.set(room.clone(), None, Instant::now());
    }

    pub(super) fn forget_member(&self, room: &RoomId, user: &UserId) {
        self.members.set((room.clone(), user.clone()), None, Instant::now());
    }
}

pub(super) struct Copies<K, V>(Mutex<FxHashMap<K, (V, Instant)>>);

impl<K, V> Default for Copies<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Clone> Copies<K, V> {
    pub(super) fn get(&self, key: &K, max_age: Duration) -> Option<V> {
        let copies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        copies.get(key).filter(|(_, read)| read.elapsed() < max_age).map(|(value, _)| value.clone())
    }

    pub(super) fn set(&self, key: K, value: Option<V>, read: Instant) {
        let mut copies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A look that began earlier may end later.
        if copies.get(&key).is_some_and(|(_, held)| *held > read) {
            return;
        }
        let Some(value) = value else {
            copies.remove(&key);
            return;
        };
        if copies.len() >= CAPACITY && !copies.contains_key(&key) {
            copies.retain(|_, (_, read)| read.elapsed() <= AT_INGEST);
            if copies.len() >= CAPACITY {
                copies.clear();
            }
        }
        copies.insert(key, (value, read));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_look_replaces_no_newer_one() {
        let copies = Copies::<u8, &str>::default();
        let old = Instant::now();
        let new = old + Duration::from_millis(1);
        copies.set(1, Some("new"), new);
        copies.set(1, Some("old"), old);
        assert_eq!(copies.get(&1, AT_INGEST), Some("new"));
        copies.set(1, None, old);
        assert_eq!(copies.get(&1, AT_INGEST), Some("new"));
        copies.set(1, Some("same time"), new);
        assert_eq!(copies.get(&1, AT_INGEST), Some("same time"));
        copies.set(1, None, new);
        assert_eq!(copies.get(&1, AT_INGEST), None);
    }
}
