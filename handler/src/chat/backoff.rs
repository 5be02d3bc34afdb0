use std::time::Duration;

use tokio::time::Instant;

use super::command::Failure;

const FIRST: Duration = Duration::from_millis(20);
/// Short, so that a recovery is felt at once.
const LONGEST: Duration = Duration::from_millis(500);
/// A dependency that stays away is reported this often by each who waits for it.
const REPORT_EVERY: Duration = Duration::from_secs(30);

/// Pauses between tries: doubling, with jitter, never past the deadline.
pub(super) struct Backoff {
    deadline: Option<Instant>,
    ceiling: Duration,
    reported: Option<Instant>,
    tries: u32,
}

impl Backoff {
    pub(super) fn new(deadline: Option<Instant>) -> Self {
        Self { deadline, ceiling: FIRST, reported: None, tries: 0 }
    }

    pub(super) fn report(&mut self, failure: &Failure) {
        self.tries += 1;
        if self.reported.is_none_or(|last| last.elapsed() >= REPORT_EVERY) {
            self.reported = Some(Instant::now());
            let error = failure as &dyn std::error::Error;
            tracing::warn!(error, tries = self.tries, "a dependency is away; waiting for it");
        }
    }

    /// `false` when the deadline came.
    pub(super) async fn wait(&mut self) -> bool {
        let pause = self.ceiling / 2 + self.ceiling.mul_f64(jitter() / 2.0);
        self.ceiling = (self.ceiling * 2).min(LONGEST);
        let wake = Instant::now() + pause;
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

/// 0..1. Only spreads those who wait apart; where chance fails, they wait together.
pub(super) fn jitter() -> f64 {
    f64::from(getrandom::u32().unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}
