//! What is told of a room at most once a second: how far its members have read, who is typing, and who came and went. The
//! same beat writes the marks that senders raise by sending, so that no message costs a second write.
//!
//! A room has a beat while there is something to tell: a task that ends after a second in which nothing happened.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use rustc_hash::FxHashMap;
use serde::Serialize;
use tokio::time::Instant;

use super::{Ports, groups, view};
use crate::model::{ReadMark, RoomId, UserId};

/// Between two beats of a room.
const BEAT: Duration = Duration::from_secs(1);
/// How long somebody types who does not say so again.
pub(super) const TYPING: Duration = Duration::from_secs(5);
/// Marks of one event, and those written in one beat.
const MARKS_TOLD: usize = 100;
const MARKS_WRITTEN: usize = 500;
/// Users of one presence event; the others are told by the next beats.
const PRESENCE_TOLD: usize = 100;
/// Names of one typing event; the others are counted.
const TYPISTS_TOLD: usize = 20;
/// Rooms, marks, typists, comings and goings held in this process, together.
const HELD: usize = 200_000;
const WRITTEN_AT_ONCE: usize = 16;

pub(super) struct Pulse {
    ports: Ports,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    rooms: FxHashMap<RoomId, Room>,
    /// What all rooms hold.
    held: usize,
}

#[derive(Default)]
struct Room {
    /// Read marks to tell, by user.
    receipts: FxHashMap<UserId, u64>,
    /// Marks that are not in the store yet.
    unwritten: FxHashMap<UserId, ReadMark>,
    /// Who is typing, until when.
    typists: FxHashMap<UserId, Instant>,
    /// What the last typing event said, and when.
    told: Vec<UserId>,
    told_at: Option<Instant>,
    /// Who came online, and who went offline.
    presence: FxHashMap<UserId, bool>,
}

/// What one beat tells and writes.
#[derive(Default)]
struct Beat {
    receipts: Vec<(UserId, u64)>,
    marks: Vec<(UserId, ReadMark)>,
    /// Everybody who is typing, where that is news.
    typing: Option<Vec<UserId>>,
    /// Who came, and who went.
    presence: Option<(Vec<UserId>, Vec<UserId>)>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Told<'a> {
    Read { room_id: &'a RoomId, marks: Vec<Mark<'a>> },
    Typing { room_id: &'a RoomId, users: &'a [UserId], count: usize },
    Presence { room_id: &'a RoomId, online: &'a [UserId], offline: &'a [UserId] },
}

#[derive(Serialize)]
struct Mark<'a> {
    user: &'a UserId,
    seq: u64,
}

impl Room {
    /// How much it holds, itself included.
    fn held(&self) -> usize {
        1 + self.receipts.len() + self.unwritten.len() + self.typists.len() + self.presence.len()
    }

    /// What is due now; `None` when there is nothing left to do for the room.
    fn beat(&mut self, now: Instant) -> Option<Beat> {
        self.typists.retain(|_, until| *until > now);
        if self.held() == 1 && self.told.is_empty() {
            return None;
        }
        let users: Vec<_> = self.receipts.keys().take(MARKS_TOLD).cloned().collect();
        let receipts = users.into_iter().filter_map(|user| self.receipts.remove_entry(&user)).collect();
        let marks = self.unwritten.iter().take(MARKS_WRITTEN).map(|(user, mark)| (user.clone(), *mark));
        let marks = marks.collect();
        Some(Beat { receipts, marks, typing: self.typing(now), presence: self.comings_and_goings() })
    }

    fn comings_and_goings(&mut self) -> Option<(Vec<UserId>, Vec<UserId>)> {
        let mut users: Vec<_> = self.presence.keys().take(PRESENCE_TOLD).cloned().collect();
        users.sort_unstable();
        let told = users.into_iter().filter_map(|user| self.presence.remove_entry(&user));
        let (came, went): (Vec<_>, Vec<_>) = told.partition(|(_, online)| *online);
        let names = |users: Vec<(UserId, bool)>| users.into_iter().map(|(user, _)| user).collect::<Vec<_>>();
        (!came.is_empty() || !went.is_empty()).then(|| (names(came), names(went)))
    }

    /// Who is typing, if that changed, or was said so long ago that a client may have forgotten it.
    fn typing(&mut self, now: Instant) -> Option<Vec<UserId>> {
        let mut typing: Vec<_> = self.typists.keys().cloned().collect();
        typing.sort_unstable();
        let is_old = self.told_at.is_none_or(|at| now - at >= TYPING);
        if typing == self.told && (typing.is_empty() || !is_old) {
            return None;
        }
        self.told.clone_from(&typing);
        self.told_at = Some(now);
        Some(typing)
    }
}

impl Table {
    /// Changes a room that is there, and counts what it holds then.
    fn change<T>(&mut self, room: &RoomId, change: impl FnOnce(&mut Room) -> T) -> Option<T> {
        let found = self.rooms.get_mut(room)?;
        let before = found.held();
        let answer = change(found);
        self.held = (self.held + found.held()).saturating_sub(before);
        Some(answer)
    }

    fn add(&mut self, room: &RoomId) {
        self.rooms.insert(room.clone(), Room::default());
        self.held += 1;
    }

    fn remove(&mut self, room: &RoomId) {
        if let Some(gone) = self.rooms.remove(room) {
            self.held = self.held.saturating_sub(gone.held());
        }
    }
}

impl Pulse {
    pub(super) fn new(ports: Ports) -> Self {
        Self { ports, table: Mutex::default() }
    }

    /// Notes that a message moved its sender's mark, and ends their typing. `false` when it cannot be held: write it now.
    pub(super) fn sent(self: &Arc<Self>, room: &RoomId, user: &UserId, mark: ReadMark) -> bool {
        self.note(room, |noted| {
            noted.typists.remove(user);
            let kept = noted.unwritten.entry(user.clone()).or_default();
            *kept = kept.raised_to(mark);
        })
    }

    /// Notes a mark that is in the store already, to be told to the room.
    pub(super) fn read(self: &Arc<Self>, room: &RoomId, user: &UserId, seq: u64) {
        self.note(room, |noted| {
            let kept = noted.receipts.entry(user.clone()).or_default();
            *kept = seq.max(*kept);
        });
    }

    pub(super) fn typing(self: &Arc<Self>, room: &RoomId, user: &UserId, on: bool) {
        if !on && !self.lock().rooms.contains_key(room) {
            return;
        }
        self.note(room, |noted| {
            if on {
                noted.typists.insert(user.clone(), Instant::now() + TYPING);
            } else {
                noted.typists.remove(user);
            }
        });
    }

    pub(super) fn presence(self: &Arc<Self>, room: &RoomId, user: &UserId, online: bool) {
        self.note(room, |noted| {
            noted.presence.insert(user.clone(), online);
        });
    }

    /// The user's mark as far as it is not in the store.
    pub(super) fn unwritten(&self, room: &RoomId, user: &UserId) -> ReadMark {
        self.lock().rooms.get(room).and_then(|room| room.unwritten.get(user)).copied().unwrap_or_default()
    }

    /// Writes every mark that is not written. What the store does not take is lost; so would it be after a crash.
    pub(super) async fn flush(&self) {
        let rooms: Vec<_> = self.lock().rooms.keys().cloned().collect();
        for room in rooms {
            loop {
                let marks = match self.lock().rooms.get(&room) {
                    Some(room) => room.unwritten.clone().into_iter().collect::<Vec<_>>(),
                    None => break,
                };
                if marks.is_empty() || !self.write(&room, marks).await {
                    break;
                }
            }
        }
    }

    /// Rooms that have a beat.
    #[cfg(test)]
    pub(super) fn alive(&self) -> usize {
        self.lock().rooms.len()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is held of the room and makes sure of its beat, unless too much is held.
    fn note(self: &Arc<Self>, room: &RoomId, change: impl FnOnce(&mut Room)) -> bool {
        let mut table = self.lock();
        if table.held >= HELD {
            return false;
        }
        let has_beat = table.rooms.contains_key(room);
        if !has_beat {
            table.add(room);
        }
        table.change(room, change);
        drop(table);
        if !has_beat {
            tokio::spawn(Arc::clone(self).run(room.clone()));
        }
        true
    }

    async fn run(self: Arc<Self>, room: RoomId) {
        loop {
            let now = Instant::now();
            let Some(beat) = self.take(&room, now) else { return };
            self.tell(&room, &beat).await;
            self.write(&room, beat.marks).await;
            tokio::time::sleep_until(now + BEAT).await;
        }
    }

    /// What is due. A room without anything goes, under the lock that notes take.
    fn take(&self, room: &RoomId, now: Instant) -> Option<Beat> {
        let mut table = self.lock();
        let beat = table.change(room, |found| found.beat(now))?;
        if beat.is_none() {
            table.remove(room);
        }
        beat
    }

    /// A frame that the transport does not take is lost: the next one says more.
    async fn tell(&self, room: &RoomId, beat: &Beat) {
        let mut frames = Vec::with_capacity(3);
        if !beat.receipts.is_empty() {
            let marks = beat.receipts.iter().map(|(user, seq)| Mark { user, seq: *seq }).collect();
            frames.push(Told::Read { room_id: room, marks });
        }
        if let Some(users) = &beat.typing {
            let told = users.get(..TYPISTS_TOLD).unwrap_or(users);
            frames.push(Told::Typing { room_id: room, users: told, count: users.len() });
        }
        if let Some((online, offline)) = &beat.presence {
            frames.push(Told::Presence { room_id: room, online, offline });
        }
        for frame in frames {
            let group = groups::room(room);
            if let Err(error) = self.ports.transport.publish(&group, view::encode(&frame), &[]).await {
                tracing::debug!(error = &error as &dyn std::error::Error, "a beat of a room was not told");
            }
        }
    }

    /// Writes the marks; those that fail stay for the next beat. `true` when none failed.
    async fn write(&self, room: &RoomId, marks: Vec<(UserId, ReadMark)>) -> bool {
        let writes: Vec<_> = marks.into_iter().map(|(user, mark)| self.write_one(room, user, mark)).collect();
        let mut written = stream::iter(writes).buffer_unordered(WRITTEN_AT_ONCE);
        let mut all = true;
        while let Some(done) = written.next().await {
            all &= done;
        }
        all
    }

    async fn write_one(&self, room: &RoomId, user: UserId, mark: ReadMark) -> bool {
        if let Err(error) = self.ports.members.raise_mark(room, &user, mark).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "a sender's mark waits for the store");
            return false;
        }
        self.lock().change(room, |noted| {
            if noted.unwritten.get(&user) == Some(&mark) {
                noted.unwritten.remove(&user);
            }
        });
        true
    }
}
