//! Ports that fail when told to: for tests, and for showing that an outage is survived. A [`Faulty`] port does what
//! its inner one does, and its [`Faults`] say what goes wrong. One `Faults` may stand behind several ports, which then
//! fail together.

mod faults;

pub use faults::{Faults, Mode};

use super::wrapped::{Around, Call, Failing, Wrapped};
use faults::Fate;

/// A port of any kind, with faults.
pub type Faulty<P> = Wrapped<P, Faults>;

const REASON: &str = "a fault was asked for";

impl Around for Faults {
    /// Lets the call through, or fails it before or after it had its effect.
    async fn call<T, E, F>(&self, call: Call, work: impl Fn() -> F + Send + Sync) -> Result<T, E>
    where
        T: Send,
        E: Failing,
        F: Future<Output = Result<T, E>> + Send,
    {
        match self.fate(call).await {
            Fate::Pass => work().await,
            Fate::FailBefore => Err(E::unavailable(REASON)),
            Fate::Throttled(asked) => Err(E::unavailable_for(REASON, Some(asked))),
            Fate::FailAfter => work().await.and_then(|_| Err(E::unavailable(REASON))),
        }
    }
}
