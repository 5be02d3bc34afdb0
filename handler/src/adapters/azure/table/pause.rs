use std::time::Duration;

use tokio::time::Instant;

use super::client::unavailable;
use crate::chance::chance;
use crate::ports::StoreError;

/// How long one call goes on after conflicts with other writers. Whoever waits behind it has a budget of their own.
const BUDGET: Duration = Duration::from_secs(20);
const FIRST: Duration = Duration::from_millis(16);
const LONGEST: Duration = Duration::from_millis(200);

/// Pauses between tries after a conflict: growing, with jitter, until the budget ends. The first try again is at once:
/// most conflicts are a head that was read some time ago.
#[derive(Debug, Default)]
pub(super) struct Retry {
    until: Option<Instant>,
    ceiling: Duration,
}

#[derive(Debug, thiserror::Error)]
#[error("other writers always came first, for {} s", BUDGET.as_secs())]
struct Contended;

impl Retry {
    /// An error when the budget has ended.
    pub(super) async fn wait(&mut self) -> Result<(), StoreError> {
        let until = *self.until.get_or_insert_with(|| Instant::now() + BUDGET);
        if self.ceiling.is_zero() {
            self.ceiling = FIRST;
            return Ok(());
        }
        let wake = Instant::now() + self.ceiling.mul_f64(chance());
        if wake >= until {
            return Err(unavailable(Contended));
        }
        tokio::time::sleep_until(wake).await;
        self.ceiling = (self.ceiling * 2).min(LONGEST);
        Ok(())
    }
}
