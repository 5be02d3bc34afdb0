//! One wrapper for every port. What happens around a call is a policy's business: [`Faults`](super::faulty::Faults) lets it fail,
//! [`Timed`](super::timed::Timed) bounds and counts it, [`Retrying`](super::retrying::Retrying) repeats it. A wrapped port is one
//! of the same kind, so wrappers go around each other.

mod attachments;
mod audit;
mod dead_letters;
mod erasures;
mod failing;
mod handled;
mod inbox;
mod invitations;
mod leases;
mod log;
mod members;
mod profiles;
mod queue;
mod rooms;
mod sanctions;
#[cfg(test)]
pub(crate) mod tests;
mod transport;
mod uploads;
mod usage;

use std::sync::Arc;

pub use failing::Failing;

/// A port of any kind, with a policy around its calls.
#[derive(Debug)]
pub struct Wrapped<P: ?Sized, W> {
    around: W,
    inner: Arc<P>,
}

impl<P: ?Sized, W> Wrapped<P, W> {
    #[must_use]
    pub fn new(inner: Arc<P>, around: W) -> Self {
        Self { around, inner }
    }
}

impl<P: ?Sized, W: Around> Wrapped<P, W> {
    async fn call<T, E, F>(&self, call: Call, work: impl Fn() -> F + Send + Sync) -> Result<T, E>
    where
        T: Send,
        E: Failing,
        F: Future<Output = Result<T, E>> + Send,
    {
        self.around.call(call, work).await
    }
}

/// What happens around each call of a port.
pub trait Around: Send + Sync {
    /// Does the work, as often and as long as the policy says.
    fn call<T, E, F>(
        &self,
        call: Call,
        work: impl Fn() -> F + Send + Sync,
    ) -> impl Future<Output = Result<T, E>> + Send
    where
        T: Send,
        E: Failing,
        F: Future<Output = Result<T, E>> + Send;
}

/// Which call it is, and what a wrapper may do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// `port.method`, as in `log.append`.
    pub name: &'static str,
    /// Whether a repeat is as if there had been one call, its answer included.
    pub may_repeat: bool,
}

impl Call {
    const fn again(name: &'static str) -> Self {
        Self { name, may_repeat: true }
    }

    /// For what must not be done twice, and for what a repeat would answer wrongly: whether a row was there, which the first
    /// try may have removed.
    const fn once(name: &'static str) -> Self {
        Self { name, may_repeat: false }
    }
}
