use std::time::Duration;

use crate::ports::{
    CreateRoomError, LogError, ModeratorError, QueueError, StoreError, TransportError, UpdateRoomError,
};

/// An error of a port, as far as wrappers understand it.
pub trait Failing: Send + Sized {
    /// The one that says "try again".
    fn unavailable(reason: &'static str) -> Self {
        Self::unavailable_for(reason, None)
    }

    /// The same, which asks to be left alone for a time.
    fn unavailable_for(reason: &'static str, asked: Option<Duration>) -> Self;

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
    fn unavailable_for(reason: &'static str, asked: Option<Duration>) -> Self {
        Self::unavailable("the store", reason).asking_for(asked)
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
            fn unavailable_for(reason: &'static str, asked: Option<Duration>) -> Self {
                Self::Store(Failing::unavailable_for(reason, asked))
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
    fn unavailable_for(reason: &'static str, asked: Option<Duration>) -> Self {
        Self::Unavailable { retry_after: asked, source: reason.into() }
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
    fn unavailable_for(reason: &'static str, asked: Option<Duration>) -> Self {
        Self::Unavailable { retry_after: asked, source: reason.into() }
    }

    fn is_unavailable(&self) -> bool {
        let Self::Unavailable { .. } = self;
        true
    }

    fn retry_after(&self) -> Option<Duration> {
        Self::retry_after(self)
    }
}

impl Failing for ModeratorError {
    fn unavailable_for(reason: &'static str, asked: Option<Duration>) -> Self {
        Self::Unavailable { retry_after: asked, source: reason.into() }
    }

    fn is_unavailable(&self) -> bool {
        let Self::Unavailable { .. } = self;
        true
    }

    fn retry_after(&self) -> Option<Duration> {
        Self::retry_after(self)
    }
}
