//! Ports that fail when told to: for tests, and for showing that an outage is survived. A [`Faulty`] port does what
//! its inner one does, and its [`Faults`] say what goes wrong. One `Faults` may stand behind several ports, which then
//! fail together.

mod dead_letters;
mod faults;
mod inbox;
mod invitations;
mod leases;
mod log;
mod members;
mod profiles;
mod queue;
mod rooms;
mod sanctions;
mod transport;

use std::sync::Arc;

pub use faults::{Faults, Mode};

use crate::ports::{CreateRoomError, LogError, QueueError, StoreError, TransportError, UpdateRoomError};
use faults::Fate;

/// A port of any kind, with faults.
#[derive(Debug)]
pub struct Faulty<P: ?Sized> {
    faults: Faults,
    inner: Arc<P>,
}

impl<P: ?Sized> Faulty<P> {
    #[must_use]
    pub fn new(inner: Arc<P>, faults: Faults) -> Self {
        Self { faults, inner }
    }

    /// Lets the call through, or fails it before or after it had its effect.
    async fn call<T, E: Injected>(
        &self,
        method: &'static str,
        work: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, E> {
        match self.faults.fate(method).await {
            Fate::Pass => work.await,
            Fate::FailBefore => Err(E::injected()),
            Fate::FailAfter => work.await.and_then(|_| Err(E::injected())),
        }
    }
}

/// An error that a fault can be told by: the one that says "try again".
trait Injected {
    fn injected() -> Self;
}

const REASON: &str = "a fault was asked for";

impl Injected for StoreError {
    fn injected() -> Self {
        Self::unavailable("the faulty store", REASON)
    }
}

impl Injected for LogError {
    fn injected() -> Self {
        Self::Store(Injected::injected())
    }
}

impl Injected for CreateRoomError {
    fn injected() -> Self {
        Self::Store(Injected::injected())
    }
}

impl Injected for UpdateRoomError {
    fn injected() -> Self {
        Self::Store(Injected::injected())
    }
}

impl Injected for QueueError {
    fn injected() -> Self {
        Self::unavailable(REASON)
    }
}

impl Injected for TransportError {
    fn injected() -> Self {
        Self::Unavailable(REASON.into())
    }
}
