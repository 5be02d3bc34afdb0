//! Calls of ports that leave the process: how many there were, how they ended and how long they took, for the whole process
//! and for what was served.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::trace::Trace;

/// Conversations of one invocation that are named.
const ABOUT: usize = 8;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Ok,
    /// The state of what was asked forbids it.
    Refused,
    Failed,
    TimedOut,
    /// Nobody waited for it any more.
    Dropped,
}

impl Outcome {
    pub const ALL: [Self; 5] = [Self::Ok, Self::Refused, Self::Failed, Self::TimedOut, Self::Dropped];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Dropped => "dropped",
        }
    }
}

/// The numbers of one method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    ok: u64,
    refused: u64,
    failed: u64,
    timed_out: u64,
    dropped: u64,
    /// All calls together.
    pub duration: Duration,
}

impl Counts {
    #[must_use]
    pub fn of(&self, outcome: Outcome) -> u64 {
        match outcome {
            Outcome::Ok => self.ok,
            Outcome::Refused => self.refused,
            Outcome::Failed => self.failed,
            Outcome::TimedOut => self.timed_out,
            Outcome::Dropped => self.dropped,
        }
    }

    fn of_mut(&mut self, outcome: Outcome) -> &mut u64 {
        match outcome {
            Outcome::Ok => &mut self.ok,
            Outcome::Refused => &mut self.refused,
            Outcome::Failed => &mut self.failed,
            Outcome::TimedOut => &mut self.timed_out,
            Outcome::Dropped => &mut self.dropped,
        }
    }
}

/// The calls of this process by `port.method`, of which there are a few dozen. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Calls(Arc<Mutex<BTreeMap<&'static str, Counts>>>);

impl Calls {
    pub fn count(&self, call: &'static str, outcome: Outcome, took: Duration) {
        let mut calls = self.lock();
        let counts = calls.entry(call).or_default();
        *counts.of_mut(outcome) += 1;
        counts.duration += took;
    }

    /// What was called so far, by name.
    #[must_use]
    pub fn now(&self) -> Vec<(&'static str, Counts)> {
        self.lock().iter().map(|(name, counts)| (*name, *counts)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Counts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was asked of this process once, by the host, a caller or the queue. It is told in one log line when it is over: at
/// info under a host, which shows nothing else of a function, at debug otherwise.
///
/// The line holds nothing a caller wrote: no path but the route's template, no query, no content, no names.
#[derive(Debug)]
pub struct Invocation {
    pub id: Option<Arc<str>>,
    pub function: Cow<'static, str>,
    /// A status, or what became of messages. It stays as it is where the work panics or nobody waits for its end.
    pub outcome: Cow<'static, str>,
    is_under_host: bool,
    start: Instant,
    tally: Tally,
}

impl Invocation {
    /// It is over when this is dropped.
    #[must_use]
    pub fn start(function: &'static str, is_under_host: bool) -> Self {
        Self {
            id: None,
            function: function.into(),
            outcome: "unfinished".into(),
            is_under_host,
            start: Instant::now(),
            tally: Tally::default(),
        }
    }

    /// Where its calls are counted.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally.clone()
    }
}

impl Drop for Invocation {
    fn drop(&mut self) {
        let duration_ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let calls = self.tally.calls();
        let (invocation, function, outcome) = (self.id.as_deref(), &*self.function, &*self.outcome);
        let conversation = Some(self.tally.conversations().join(" ")).filter(|names| !names.is_empty());
        let remote_calls: u64 = calls.values().sum();
        let calls: Vec<_> = calls.iter().map(|(call, count)| format!("{call}={count}")).collect();
        let calls = Some(calls.join(" ")).filter(|calls| !calls.is_empty());
        let shared_by = self.tally.shared_by();
        let trace = self.tally.lock().trace.map(|trace| trace.id());
        // The level of a line is fixed where it stands.
        macro_rules! tell {
            ($level:ident) => {
                tracing::$level!(
                    invocation,
                    trace,
                    function,
                    conversation,
                    outcome,
                    duration_ms,
                    remote_calls,
                    calls,
                    shared_by,
                    "invocation"
                )
            };
        }
        if self.is_under_host { tell!(info) } else { tell!(debug) }
    }
}

tokio::task_local! {
    static TALLY: Tally;
}

/// The calls made for one invocation. Clones count together. What a task of its own does for somebody it adds to theirs with
/// [`Self::add`].
#[derive(Clone, Debug, Default)]
pub struct Tally(Arc<Mutex<Made>>);

#[derive(Debug, Default)]
struct Made {
    calls: BTreeMap<&'static str, u64>,
    shared_by: usize,
    /// The conversations it is about, hashed.
    about: BTreeSet<String>,
    trace: Option<Trace>,
}

impl Tally {
    /// Does the work and counts what it calls.
    pub async fn of<T>(work: impl Future<Output = T>) -> (T, Self) {
        let tally = Self::default();
        (tally.count(work).await, tally)
    }

    /// Counts here what the work calls.
    pub async fn count<T>(&self, work: impl Future<Output = T>) -> T {
        TALLY.scope(self.clone(), work).await
    }

    /// The one that counts here, if one does.
    #[must_use]
    pub fn current() -> Option<Self> {
        TALLY.try_with(Self::clone).ok()
    }

    /// Counts a call where somebody counts.
    pub fn note(call: &'static str) {
        let _ = TALLY.try_with(|tally| *tally.lock().calls.entry(call).or_default() += 1);
    }

    /// Notes the conversation that is served. Only a hash of its name is kept: that tells which lines belong together, and
    /// not who writes to whom.
    pub fn about(conversation: &str) {
        let _ = TALLY.try_with(|tally| {
            let mut made = tally.lock();
            if made.about.len() < ABOUT {
                made.about.insert(hash(conversation));
            }
        });
    }

    /// What is done here is a step of this trace.
    pub fn follow(trace: Trace) {
        let _ = TALLY.try_with(|tally| tally.lock().trace = Some(trace));
    }

    /// The trace that what is done here belongs to.
    #[must_use]
    pub fn trace() -> Option<Trace> {
        TALLY.try_with(|tally| tally.lock().trace).ok().flatten()
    }

    /// Hashes of the conversations it is about.
    #[must_use]
    pub fn conversations(&self) -> Vec<String> {
        self.lock().about.iter().cloned().collect()
    }

    /// Adds what another counted, for so many at once.
    pub fn add(&self, other: &Self, shared_by: usize) {
        let calls = other.calls();
        let mut made = self.lock();
        for (call, count) in calls {
            *made.calls.entry(call).or_default() += count;
        }
        made.shared_by = made.shared_by.max(shared_by);
    }

    #[must_use]
    pub fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.lock().calls.clone()
    }

    /// Among how many invocations some of the calls were shared, where they were.
    #[must_use]
    pub fn shared_by(&self) -> Option<usize> {
        Some(self.lock().shared_by).filter(|many| *many > 1)
    }

    fn lock(&self) -> MutexGuard<'_, Made> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(conversation: &str) -> String {
    let digest = Sha256::digest(conversation);
    hex::encode(digest.get(..8).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_tally_counts_what_is_done_in_it_and_what_it_is_told_of() {
        Tally::note("log.head");
        let ((), batch) = Tally::of(async { Tally::note("log.append") }).await;
        let (current, tally) = Tally::of(async {
            Tally::note("queue.send");
            Tally::note("queue.send");
            Tally::current().unwrap()
        })
        .await;
        current.add(&batch, 3);
        assert_eq!(tally.calls(), [("log.append", 1), ("queue.send", 2)].into());
        assert_eq!((tally.shared_by(), batch.shared_by()), (Some(3), None));
        assert!(Tally::current().is_none());
    }
}
