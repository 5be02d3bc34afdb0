use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::sessions::{Batch, Item, Sessions};
use super::{Counts, Limits};
use crate::ports::QueueError;

/// What the embedded queues share: [`Sessions`] behind one short lock, waiting for the next session, and bounds.
pub(super) struct Core<P> {
    state: Mutex<State<P>>,
    changed: Notify,
    limits: Limits,
}

struct State<P> {
    sessions: Sessions<P>,
    /// Everything that takes room: waiting, in hand, reserved for a send under way.
    messages: usize,
    bytes: usize,
    /// The sequence number given last, where the numbers are given here.
    last: u64,
}

#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the queue is full")]
    Full,
    #[error("the session's lock was lost before the message was settled")]
    LockLost,
}

/// When to try again where the queue is full: it drains, or somebody must look at it.
const FULL_RETRY: Duration = Duration::from_secs(1);

impl<P: Clone> Core<P> {
    pub(super) fn new(limits: Limits) -> Self {
        let state = State { sessions: Sessions::new(), messages: 0, bytes: 0, last: 0 };
        Self { state: Mutex::new(state), changed: Notify::new(), limits }
    }

    /// Runs `act` with the alarms up to now carried out. The lock is held for as long: no I/O in there.
    fn with<T>(&self, act: impl FnOnce(&mut State<P>, Instant) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        state.sessions.wake(now);
        let result = act(&mut state, now);
        let ready = state.sessions.has_ready();
        drop(state);
        if ready {
            // One at a time: who takes a session and leaves others comes by here and calls the next.
            self.changed.notify_one();
        }
        result
    }

    /// Makes room for a message, or refuses. What is reserved is pushed or freed.
    pub(super) fn reserve(&self, bytes: usize) -> Result<(), QueueError> {
        self.with(|state, _| state.reserve(bytes, &self.limits))
    }

    pub(super) fn free(&self, bytes: usize) {
        self.with(|state, _| state.free(bytes));
    }

    /// Whether a message would find room.
    pub(super) fn check(&self) -> Result<(), QueueError> {
        self.with(|state, _| if state.fits(0, &self.limits) { Ok(()) } else { Err(full()) })
    }

    /// Makes room and puts the message at the end of its session, under the next sequence number.
    pub(super) fn append(
        &self,
        session: &str,
        bytes: usize,
        place: impl FnOnce(u64) -> P,
    ) -> Result<(), QueueError> {
        self.with(|state, _| {
            state.reserve(bytes, &self.limits)?;
            state.last += 1;
            let sequence = state.last;
            state.sessions.push(session, Item { sequence, attempt: 0, bytes, place: place(sequence) });
            Ok(())
        })
    }

    /// Puts a message for which room was reserved at the end of its session.
    pub(super) fn push(&self, session: &str, item: Item<P>) {
        self.with(|state, _| state.sessions.push(session, item));
    }

    /// Takes in what was there before: a message that waits.
    pub(super) fn restore(&self, session: &str, item: Item<P>) {
        self.with(|state, _| {
            state.add(item.bytes);
            state.sessions.push(session, item);
        });
    }

    /// Waits for a session. Nothing is taken by a call that is dropped: there is no await after the taking.
    pub(super) async fn next(&self, max: usize) -> Batch<P> {
        loop {
            let changed = self.changed.notified();
            let (batch, wake_at) = self.with(|state, now| {
                let until = now + self.limits.lock;
                let batch = state.sessions.take(max, now, until);
                // Locks that are taken while we wait end after `until` at the earliest.
                (batch, state.sessions.next_alarm().unwrap_or(until).min(until))
            });
            if let Some(batch) = batch {
                return batch;
            }
            tokio::select! {
                () = changed => {}
                () = sleep_until(wake_at) => {}
            }
        }
    }

    /// Starts a session's lock anew. `false`: it is lost.
    pub(super) fn renew(&self, session: &str, hold: u64) -> bool {
        self.with(|state, now| state.sessions.renew(session, hold, now + self.limits.lock))
    }

    /// Removes a message that is in hand, with the room it took.
    pub(super) fn complete(&self, session: &str, hold: u64, sequence: u64) -> Result<Item<P>, QueueError> {
        self.with(|state, now| {
            let item = state.sessions.settle(session, hold, sequence, now);
            let item = item.ok_or_else(|| QueueError::unavailable(Refusal::LockLost))?;
            state.free(item.bytes);
            Ok(item)
        })
    }

    /// Gives back a message that is in hand, and those of its hold behind it. Nothing where it is in hand no longer.
    pub(super) fn give_back(&self, session: &str, hold: u64, sequence: u64, delay: Duration) {
        self.with(|state, now| {
            // A delay beyond the clock's range would panic; a year is as good as never.
            let resume = now + delay.min(Duration::from_secs(365 * 24 * 60 * 60));
            state.sessions.give_back(session, hold, sequence, resume, now);
        });
    }

    pub(super) fn counts(&self) -> Counts {
        self.with(|state, _| Counts { depth: state.sessions.depth(), sessions: state.sessions.count() })
    }
}

impl<P> State<P> {
    fn fits(&self, bytes: usize, limits: &Limits) -> bool {
        self.messages < limits.max_messages && self.bytes + bytes <= limits.max_bytes
    }

    fn reserve(&mut self, bytes: usize, limits: &Limits) -> Result<(), QueueError> {
        if !self.fits(bytes, limits) {
            return Err(full());
        }
        self.add(bytes);
        Ok(())
    }

    fn add(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes;
    }

    fn free(&mut self, bytes: usize) {
        self.messages -= 1;
        self.bytes -= bytes;
    }
}

fn full() -> QueueError {
    QueueError::Unavailable { retry_after: Some(FULL_RETRY), source: Box::new(Refusal::Full) }
}
