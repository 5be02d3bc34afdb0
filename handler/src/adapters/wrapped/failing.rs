use std::time::Duration;

use crate::ports::{CreateRoomError, LogError, QueueError, StoreError, TransportError, UpdateRoomError};

/// An error of a port, as far as wrappers understand it.
pub trait Failing: Send + Sized {
    /// The one that says "try again".
    fn unavailable(reason: &'static str) -> Self;

    /// Whether it is that one.
    fn is_unavailable(&self) -> bool;

    /// Whether it tells of trouble, and not of what the port's state forbids.
    fn is_failure(&self) -> bool {
        self.is_unavailable()
    }

    /// How long who failed asks to be left alone.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}

impl Failing for StoreError {
    fn unavailable(reason: &'static str) -> Self {
        Self::unavailable("the store", reason)
    }

    fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    fn is_failure(&self) -> bool {
        true
    }

    fn retry_after(&self) -> Option<Duration> {
        Self::retry_after(self)
    }
}

/// For an error that a store's is one of.
macro_rules! as_the_store {
    ($error:ident) => {
        impl Failing for $error {
            fn unavailable(reason: &'static str) -> Self {
                Self::Store(Failing::unavailable(reason))
            }

            fn is_unavailable(&self) -> bool {
                matches!(self, Self::Store(error) if error.is_unavailable())
            }

            fn is_failure(&self) -> bool {
                matches!(self, Self::Store(_))
            }

            fn retry_after(&self) -> Option<Duration> {
                match self {
                    Self::Store(error) => error.retry_after(),
                    _ => None,
                }
            }
        }
    };
}

as_the_store!(LogError);
as_the_store!(CreateRoomError);
as_the_store!(UpdateRoomError);

impl Failing for QueueError {
    fn unavailable(reason: &'static str) -> Self {
        Self::unavailable(reason)
    }

    fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            Self::TooLarge { .. } => None,
        }
    }
}

impl Failing for TransportError {
    fn unavailable(reason: &'static str) -> Self {
        Self::unavailable(reason)
    }

    fn is_unavailable(&self) -> bool {
        let Self::Unavailable { .. } = self;
        true
    }

    fn retry_after(&self) -> Option<Duration> {
        Self::retry_after(self)
    }
}
