//! The work that comes back: one list of it. The Functions host's timer has it done (`retention/`), or, where no host does,
//! this process by itself ([`crate::repairs`]).
//!
//! A chore does a bounded piece of its work in a round, keeps where it stopped in memory, and may be broken off anywhere: each
//! step of it can be repeated, and done by two processes at once. Chores do not know of each other; what one of them cannot do
//! keeps nothing of the others from being done.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use tokio::time::{Instant, timeout};

use super::{Chat, Refused};

/// How often somebody has to ask for what is due.
pub const CHORES_EVERY: Duration = Duration::from_secs(20);
/// What only keeps the stores from growing has time.
const UPKEEP_EVERY: Duration = Duration::from_secs(5 * 60);
/// A timer is never exact: what is due so soon is due.
const SLACK: Duration = Duration::from_secs(5);

/// One kind of such work. The round answers how much it put right.
struct Chore {
    name: &'static str,
    every: Duration,
    round: for<'a> fn(&'a Chat) -> BoxFuture<'a, Result<usize, Refused>>,
}

/// How often audit and handled events are looked through for what is over.
const FORGET_EVERY: Duration = Duration::from_secs(10 * 60);

/// All of them.
const CHORES: &[Chore] = &[
    Chore { name: "sanctions", every: CHORES_EVERY, round: |chat| chat.finish_sanctions().boxed() },
    Chore { name: "ended_sanctions", every: CHORES_EVERY, round: |chat| chat.forget_expired().boxed() },
    Chore { name: "letters", every: CHORES_EVERY, round: |chat| chat.replay_letters().boxed() },
    Chore { name: "erasures", every: CHORES_EVERY, round: |chat| chat.go_on_erasing().boxed() },
    Chore { name: "conversations", every: UPKEEP_EVERY, round: |chat| chat.walk_conversations().boxed() },
    Chore { name: "old_letters", every: UPKEEP_EVERY, round: |chat| chat.drop_old_letters().boxed() },
    Chore { name: "reviews", every: UPKEEP_EVERY, round: |chat| chat.forget_direct_reviews().boxed() },
    Chore { name: "audit", every: FORGET_EVERY, round: |chat| chat.forget_audit().boxed() },
    Chore { name: "handled_events", every: FORGET_EVERY, round: |chat| chat.forget_handled().boxed() },
    Chore { name: "leases", every: CHORES_EVERY, round: |chat| chat.repair_leases().boxed() },
    Chore { name: "files", every: UPKEEP_EVERY, round: |chat| chat.look_after_attachments().boxed() },
];

/// When each was begun last, by this process.
#[derive(Debug, Default)]
pub(super) struct Begun(Mutex<BTreeMap<&'static str, Instant>>);

impl Begun {
    /// The chores that are due, which count as begun from here on.
    fn take_due(&self, now: Instant) -> Vec<&'static Chore> {
        let mut begun = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = |chore: &&Chore| {
            let last = begun.get(chore.name);
            last.is_none_or(|last| now.saturating_duration_since(*last) + SLACK >= chore.every)
        };
        let due: Vec<_> = CHORES.iter().filter(is_due).collect();
        begun.extend(due.iter().map(|chore| (chore.name, now)));
        due
    }
}

/// What became of one chore's round.
#[derive(Debug)]
pub struct Round {
    pub chore: &'static str,
    pub outcome: RoundOutcome,
}

#[derive(Debug)]
pub enum RoundOutcome {
    /// How much was put right; mostly nothing.
    Done(usize),
    Failed(Refused),
    OutOfTime,
    Panicked,
}

impl Chat {
    /// Has every chore that is due done, all at once, each for as long as `budget` at most. The next round of one that
    /// failed or was broken off begins where it stopped.
    pub async fn do_chores(&self, budget: Duration) -> Vec<Round> {
        let due = self.begun.take_due(Instant::now());
        let rounds = join_all(due.into_iter().map(|chore| self.do_chore(chore, budget))).await;
        rounds.iter().for_each(Round::log);
        rounds
    }

    async fn do_chore(&self, chore: &'static Chore, budget: Duration) -> Round {
        let round = AssertUnwindSafe(timeout(budget, (chore.round)(self))).catch_unwind();
        let outcome = match round.await {
            Ok(Ok(Ok(count))) => RoundOutcome::Done(count),
            Ok(Ok(Err(refused))) => RoundOutcome::Failed(refused),
            Ok(Err(_)) => RoundOutcome::OutOfTime,
            Err(_) => RoundOutcome::Panicked,
        };
        Round { chore: chore.name, outcome }
    }

    /// One round of every chore, due or not, one behind the other. The first failure, once all were tried.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) async fn repair(&self) -> Result<(), Refused> {
        let mut outcome = Ok(());
        for chore in CHORES {
            outcome = outcome.and((chore.round)(self).await.map(drop));
        }
        outcome
    }
}

impl Round {
    /// One line about it, for people.
    #[must_use]
    pub fn line(&self) -> String {
        let chore = self.chore;
        match &self.outcome {
            RoundOutcome::Done(count) => format!("{chore}: {count}"),
            RoundOutcome::Failed(refused) => format!("{chore}: not finished, {}", refused.code),
            RoundOutcome::OutOfTime => format!("{chore}: not finished in time"),
            RoundOutcome::Panicked => format!("{chore}: panicked"),
        }
    }

    fn log(&self) {
        match &self.outcome {
            RoundOutcome::Done(0) => {}
            RoundOutcome::Done(count) => tracing::info!(chore = self.chore, count, "put right"),
            RoundOutcome::Failed(refused) => {
                tracing::warn!(chore = self.chore, code = refused.code, "a chore was not finished");
            }
            RoundOutcome::OutOfTime => tracing::warn!(chore = self.chore, "a chore was not finished in time"),
            RoundOutcome::Panicked => tracing::error!(chore = self.chore, "a chore panicked"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_due_at_its_time_and_begun_once() {
        let (begun, now) = (Begun::default(), Instant::now());
        let names = |due: Vec<&Chore>| due.iter().map(|chore| chore.name).collect::<Vec<_>>();
        let all: Vec<_> = CHORES.iter().map(|chore| chore.name).collect();
        assert_eq!(names(begun.take_due(now)), all, "a process knows nothing of those before it");
        assert!(begun.take_due(now + CHORES_EVERY / 2).is_empty());
        let frequent: Vec<_> =
            CHORES.iter().filter(|chore| chore.every == CHORES_EVERY).map(|chore| chore.name).collect();
        let a_little_early = now + CHORES_EVERY - Duration::from_millis(300);
        assert_eq!(names(begun.take_due(a_little_early)), frequent);
        assert!(begun.take_due(a_little_early).is_empty(), "somebody does them already");
        let later = now + Duration::from_secs(30 * 86_400);
        assert_eq!(names(begun.take_due(later)), all);
    }

    #[test]
    fn names_tell_chores_apart() {
        let names: std::collections::BTreeSet<_> = CHORES.iter().map(|chore| chore.name).collect();
        assert_eq!(names.len(), CHORES.len());
    }
}
