//! What admins read of rooms that they are not in, on record. A client reads often, so there is one record for each admin, room
//! and stretch of time; which one that is follows from the clock, so that all processes mean the same record.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use super::audit::Act;
use super::{Caller, Chat, Refused};
use crate::model::{RoomId, UserId};

const STRETCH_MILLIS: u64 = 10 * 60 * 1_000;
/// Records remembered here. Where there are more they are asked for again, and found.
const CAPACITY: usize = 10_000;

/// What is on record of the stretch that is running, as far as this process has seen to it.
#[derive(Debug, Default)]
pub(super) struct Readings(Mutex<Stretch>);

#[derive(Debug, Default)]
struct Stretch {
    number: u64,
    known: HashSet<(UserId, RoomId)>,
}

impl Readings {
    fn has(&self, number: u64, reading: &(UserId, RoomId)) -> bool {
        let stretch = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stretch.number == number && stretch.known.contains(reading)
    }

    fn add(&self, number: u64, reading: (UserId, RoomId)) {
        let mut stretch = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if stretch.number != number || stretch.known.len() >= CAPACITY {
            *stretch = Stretch { number, ..Stretch::default() };
        }
        stretch.known.insert(reading);
    }
}

impl Chat {
    /// Before somebody is told what a room keeps for its members: whoever sees it as an admin alone does so on the record, or
    /// not at all.
    pub(super) async fn note_reading_as_admin(&self, caller: &Caller, room: &RoomId) -> Result<(), Refused> {
        let number = self.ports.clock.now().millis() / STRETCH_MILLIS;
        let reading = (caller.user.clone(), room.clone());
        if !caller.is_admin
            || self.readings.has(number, &reading)
            || self.is_member(room, &caller.user).await?
        {
            return Ok(());
        }
        let act = Act { occasion: number.to_string(), ..Act::in_room("room.read", room) };
        self.note_act(caller, act).await?;
        self.readings.add(number, reading);
        Ok(())
    }
}
