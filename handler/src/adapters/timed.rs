//! Calls that end in time and are counted.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::wrapped::{Around, Call, Failing, Wrapped};
use crate::calls::{Calls, Outcome, Tally};

/// A port of any kind whose calls are bounded and counted.
pub type TimedPort<P> = Wrapped<P, Timed>;

/// The bound, and where it is counted: in the process's numbers, and in the tally of whoever is served.
#[derive(Clone, Debug)]
pub struct Timed {
    calls: Calls,
    limit: Duration,
}

impl Timed {
    /// A call that takes longer than `limit` ends as unavailable; it may have had its effect.
    #[must_use]
    pub fn new(calls: Calls, limit: Duration) -> Self {
        Self { calls, limit }
    }
}

/// Counts a call when it is over, one that nobody waits for any more included.
struct Stopwatch<'a> {
    calls: &'a Calls,
    name: &'static str,
    start: Instant,
    outcome: Outcome,
}

impl Drop for Stopwatch<'_> {
    fn drop(&mut self) {
        self.calls.count(self.name, self.outcome, self.start.elapsed());
    }
}

impl Around for Timed {
    async fn call<T, E, F>(&self, call: Call, work: impl Fn() -> F + Send + Sync) -> Result<T, E>
    where
        T: Send,
        E: Failing,
        F: Future<Output = Result<T, E>> + Send,
    {
        Tally::note(call.name);
        let start = Instant::now();
        let mut watch = Stopwatch { calls: &self.calls, name: call.name, start, outcome: Outcome::Dropped };
        let outcome = timeout(self.limit, work()).await;
        watch.outcome = match &outcome {
            Ok(Ok(_)) => Outcome::Ok,
            Ok(Err(error)) if error.is_failure() => Outcome::Failed,
            Ok(Err(_)) => Outcome::Refused,
            Err(_) => Outcome::TimedOut,
        };
        outcome.unwrap_or_else(|_| Err(E::unavailable("no answer came in time")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{LogError, StoreError};

    const APPEND: Call = Call { name: "log.append", may_repeat: false };

    #[tokio::test(start_paused = true)]
    async fn every_call_is_counted_by_how_it_ended() {
        let calls = Calls::default();
        let timed = Timed::new(calls.clone(), Duration::from_secs(5));
        let (_, tally) = Tally::of(async {
            timed.call::<_, LogError, _>(APPEND, || async { Ok(1) }).await.unwrap();
            timed.call::<(), _, _>(APPEND, || async { Err(LogError::Closed) }).await.unwrap_err();
            let away = || async { Err(StoreError::unavailable("a store", "away")) };
            timed.call::<(), _, _>(APPEND, away).await.unwrap_err();
            let never = timed.call::<(), LogError, _>(APPEND, std::future::pending).await;
            assert!(never.unwrap_err().is_unavailable());
            let given_up = timed.call::<(), LogError, _>(APPEND, std::future::pending);
            timeout(Duration::from_secs(1), given_up).await.unwrap_err();
        })
        .await;
        let [(name, counts)] = &calls.now()[..] else { panic!("one method") };
        assert_eq!(*name, "log.append");
        for outcome in Outcome::ALL {
            assert_eq!(counts.of(outcome), 1, "{outcome:?}");
        }
        assert_eq!(counts.duration.as_secs(), 6);
        assert_eq!(tally.calls(), [("log.append", 5)].into());
    }
}
