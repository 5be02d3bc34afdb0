//! What a test may ask: counts, dead letters, state.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::watch;

use crate::broker::EntityStatus;

/// Everything that can be counted, at one moment. Serialised at `/admin/double/status`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Status {
    /// `starting`, `ready`, `zombie`, or `stopped: <reason>`.
    pub handler: String,
    /// Starts after the first, whatever the cause.
    pub restarts: u64,
    /// Deaths that the host counts.
    pub handler_errors: u64,
    pub functions: BTreeMap<String, FunctionStatus>,
    /// Every queue and subscription by its path.
    pub entities: BTreeMap<String, EntityStatus>,
    pub dead_letters: Vec<DeadLetter>,
}

/// Counts of one function since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FunctionStatus {
    pub invocations: u64,
    pub in_flight: u64,
    pub successes: u64,
    /// Hangs and timeouts included.
    pub failures: u64,
    /// Empty, 204 or null answers to an enveloped invocation.
    pub hangs: u64,
    /// Invocations that ran into `functionTimeout`; every hang does, 2 s later it is here too.
    pub timeouts: u64,
}

/// A message that ran out of deliveries and waits in a dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    pub entity: String,
    pub message_id: String,
    pub session_id: Option<String>,
    pub reason: String,
}

impl Status {
    /// Hangs of all functions.
    #[must_use]
    pub fn hangs(&self) -> u64 {
        self.functions.values().map(|function| function.hangs).sum()
    }

    /// Whether no message waits or is in hand, dead letters aside.
    #[must_use]
    pub fn queues_are_empty(&self) -> bool {
        self.entities.values().all(|entity| entity.messages == 0)
    }
}

/// How an invocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Success,
    Failure,
    Timeout,
}

/// An invocation under way. Dropped without an end (its caller went away), it is neither success nor failure.
pub(crate) struct Running {
    board: Arc<Board>,
    function: String,
}

impl Running {
    pub(crate) fn ended(self, end: End) {
        self.board.count(&self.function, |it| match end {
            End::Success => it.successes += 1,
            End::Failure => it.failures += 1,
            End::Timeout => {
                it.failures += 1;
                it.timeouts += 1;
            }
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.board.count(&self.function, |it| it.in_flight -= 1);
    }
}

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct Board {
    tally: Mutex<Tally>,
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Tally {
    restarts: u64,
    errors: u64,
    functions: BTreeMap<String, FunctionStatus>,
}

impl Board {
    pub(crate) fn began(self: &Arc<Self>, function: &str) -> Running {
        self.count(function, |it| {
            it.invocations += 1;
            it.in_flight += 1;
        });
        Running { board: Arc::clone(self), function: function.to_owned() }
    }

    pub(crate) fn hangs(&self, function: &str) {
        self.count(function, |it| it.hangs += 1);
    }

    pub(crate) fn restarted(&self) {
        self.tally().restarts += 1;
        self.pulse();
    }

    pub(crate) fn handler_error(&self) {
        self.tally().errors += 1;
        self.pulse();
    }

    /// Wakes everybody who waits for a change.
    pub(crate) fn pulse(&self) {
        self.changed.send_modify(|version| *version += 1);
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Fills in what is counted here.
    pub(crate) fn fill(&self, status: &mut Status) {
        let tally = self.tally();
        status.restarts = tally.restarts;
        status.handler_errors = tally.errors;
        status.functions = tally.functions.clone();
    }

    fn count(&self, function: &str, change: impl FnOnce(&mut FunctionStatus)) {
        change(self.tally().functions.entry(function.to_owned()).or_default());
        self.pulse();
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
