use std::time::Duration;

use tokio::time::Instant;

use super::command::Failure;
use crate::chance::chance;

const FIRST: Duration = Duration::from_millis(20);
/// Short, so that a recovery is felt at once.
const LONGEST: Duration = Duration::from_millis(500);
/// A dependency that stays away is reported this often by each who waits for it.
const REPORT_EVERY: Duration = Duration::from_secs(30);

/// How long who failed is left alone at their own wish, at most: what they wait out may end sooner than they think.
const LONGEST_ASKED: Duration = Duration::from_secs(10);

/// What a failed dependency asks for, as far as it is obeyed.
pub(super) fn asked_for(failure: &Failure) -> Duration {
    failure.retry_after().unwrap_or_default().min(LONGEST_ASKED)
}

/// Pauses between tries: doubling, with jitter, as long as the dependency asks for, and never past the deadline.
pub(super) struct Backoff {
    deadline: Option<Instant>,
    ceiling: Duration,
    asked: Duration,
    reported: Option<Instant>,
    tries: u32,
}

impl Backoff {
    pub(super) fn new(deadline: Option<Instant>) -> Self {
        Self { deadline, ceiling: FIRST, asked: Duration::ZERO, reported: None, tries: 0 }
    }

    /// The next pause is for this.
    pub(super) fn report(&mut self, failure: &Failure) {
        self.tries += 1;
        self.asked = asked_for(failure);
        if self.reported.is_none_or(|last| last.elapsed() >= REPORT_EVERY) {
            self.reported = Some(Instant::now());
            let error = failure as &dyn std::error::Error;
            tracing::warn!(error, tries = self.tries, "a dependency is away; waiting for it");
        }
    }

    /// `false` when the deadline came.
    pub(super) async fn wait(&mut self) -> bool {
        let pause = self.ceiling / 2 + self.ceiling.mul_f64(chance() / 2.0);
        self.ceiling = (self.ceiling * 2).min(LONGEST);
        let wake = Instant::now() + pause.max(std::mem::take(&mut self.asked));
        match self.deadline {
            Some(deadline) if wake >= deadline => {
                tokio::time::sleep_until(deadline).await;
                false
            }
            _ => {
                tokio::time::sleep_until(wake).await;
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{StoreError, TransportError};

    fn asking(secs: u64) -> Failure {
        let retry_after = Some(Duration::from_secs(secs));
        TransportError::Unavailable { retry_after, source: "busy".into() }.into()
    }

    async fn pause(backoff: &mut Backoff, failure: Failure) -> (bool, Duration) {
        let start = Instant::now();
        backoff.report(&failure);
        (backoff.wait().await, start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_dependency_is_left_alone_as_long_as_it_asks_within_reason() {
        let mut backoff = Backoff::new(None);
        assert_eq!(pause(&mut backoff, asking(3)).await, (true, Duration::from_secs(3)));
        assert_eq!(pause(&mut backoff, asking(3_600)).await, (true, LONGEST_ASKED));
        let store = StoreError::unavailable("a store", "busy").asking_for(Some(Duration::from_secs(4)));
        assert_eq!(pause(&mut backoff, store.into()).await, (true, Duration::from_secs(4)));
        let (_, took) = pause(&mut backoff, StoreError::unavailable("a store", "away").into()).await;
        assert!(took <= LONGEST, "what was asked before is over: {took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_waited_for_behind_the_deadline() {
        let mut backoff = Backoff::new(Some(Instant::now() + Duration::from_secs(2)));
        assert_eq!(pause(&mut backoff, asking(9)).await, (false, Duration::from_secs(2)));
    }
}
