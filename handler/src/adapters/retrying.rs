//! Calls that are tried again where the dependency did not answer and a repeat is harmless. For adapters whose own client
//! does not do it; who retries whom is in `docs/decisions`.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::wrapped::{Around, Call, Failing, Wrapped};
use crate::chance::chance;

/// A port of any kind that tries again.
pub type RetryingPort<P> = Wrapped<P, Retrying>;

/// How often, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retrying {
    /// Of one call, the first one included.
    pub tries: u32,
    /// The pause before the second try, at most; it doubles from try to try.
    pub first_pause: Duration,
    /// The longest time that a dependency may ask for; one that asks for more is not asked again.
    pub longest_asked: Duration,
    /// No try begins later than this behind the first. Whoever waits for us has patience of its own.
    pub budget: Duration,
}

impl Retrying {
    /// Three tries. A try that ends by its time limit is followed by another where the budget is larger than the limit.
    #[must_use]
    pub const fn within(budget: Duration) -> Self {
        let (first_pause, longest_asked) = (Duration::from_millis(50), Duration::from_secs(2));
        Self { tries: 3, first_pause, longest_asked, budget }
    }
}

impl Retrying {
    /// How long to wait before the next try; `None` where there is none.
    fn pause<E: Failing>(&self, error: &E, tried: u32, elapsed: Duration) -> Option<Duration> {
        if !error.is_unavailable() || tried >= self.tries {
            return None;
        }
        let longest = self.first_pause.saturating_mul(1 << (tried - 1).min(16));
        let pause = longest / 2 + (longest / 2).mul_f64(chance());
        let asked = error.retry_after().unwrap_or_default();
        let pause = pause.max(asked);
        (asked <= self.longest_asked && elapsed + pause <= self.budget).then_some(pause)
    }
}

impl Around for Retrying {
    async fn call<T, E, F>(&self, call: Call, work: impl Fn() -> F + Send + Sync) -> Result<T, E>
    where
        T: Send,
        E: Failing,
        F: Future<Output = Result<T, E>> + Send,
    {
        let (start, mut tried) = (Instant::now(), 0);
        loop {
            let outcome = work().await;
            tried += 1;
            let Err(error) = &outcome else { return outcome };
            let pause = if call.may_repeat { self.pause(error, tried, start.elapsed()) } else { None };
            let Some(pause) = pause else { return outcome };
            tracing::debug!(call = call.name, tried, "a dependency did not answer; it is asked again");
            sleep(pause).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::ports::{LogError, QueueError, StoreError};

    const BUDGET: Duration = Duration::from_secs(5);
    const HEAD: Call = Call { name: "log.head", may_repeat: true };
    const APPEND: Call = Call { name: "log.append", may_repeat: false };

    /// The outcome where the first `failing` tries end in `error`, how many there were, and the time they took.
    async fn tried<E: Failing>(
        call: Call,
        failing: u32,
        error: impl Fn() -> E + Send + Sync,
    ) -> (bool, u32, Duration) {
        let (count, start) = (AtomicU32::new(0), Instant::now());
        let work = || {
            let outcome = if count.fetch_add(1, Ordering::Relaxed) < failing { Err(error()) } else { Ok(()) };
            async move { outcome }
        };
        let outcome = Retrying::within(BUDGET).call(call, work).await;
        (outcome.is_ok(), count.load(Ordering::Relaxed), start.elapsed())
    }

    fn away() -> StoreError {
        Failing::unavailable("away")
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_outage_is_not_seen_and_a_long_one_is() {
        let (is_ok, tries, took) = tried(HEAD, 2, away).await;
        assert!(is_ok && tries == 3, "{tries}");
        assert!((Duration::from_millis(75)..=Duration::from_millis(160)).contains(&took), "{took:?}");
        let (is_ok, tries, _) = tried(HEAD, 100, away).await;
        assert!(!is_ok && tries == 3, "{tries}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_repeat_may_harm_or_not_help_is_done_once() {
        assert_eq!(tried(APPEND, 1, away).await.1, 1);
        assert_eq!(tried(HEAD, 1, || StoreError::corrupt("a store", "a row")).await.1, 1);
        assert_eq!(tried(HEAD, 1, || LogError::Closed).await.1, 1);
        assert_eq!(tried(HEAD, 1, || QueueError::TooLarge { limit: 1 }).await.1, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dependency_that_asks_for_time_gets_it_or_is_left_alone() {
        let asks = |secs| {
            move || QueueError::Unavailable {
                retry_after: Some(Duration::from_secs(secs)),
                source: "busy".into(),
            }
        };
        let (is_ok, tries, took) = tried(HEAD, 1, asks(1)).await;
        assert!(is_ok && tries == 2 && took.as_secs() == 1, "{tries} {took:?}");
        let (is_ok, tries, took) = tried(HEAD, 1, asks(3)).await;
        assert!(!is_ok && tries == 1 && took.is_zero(), "{tries} {took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_followed_by_another_try_within_the_budget() {
        let silent = async |limit: u64| {
            let (count, start) = (AtomicU32::new(0), Instant::now());
            let work = || async {
                count.fetch_add(1, Ordering::Relaxed);
                sleep(Duration::from_secs(limit)).await;
                Err::<(), _>(away())
            };
            Retrying::within(BUDGET).call(HEAD, work).await.unwrap_err();
            (count.load(Ordering::Relaxed), start.elapsed().as_secs())
        };
        assert_eq!(silent(2).await, (3, 6));
        assert_eq!(silent(4).await, (2, 8));
        assert_eq!(silent(5).await, (1, 5));
    }
}
