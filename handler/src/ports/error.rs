use std::error::Error;
use std::time::Duration;

/// An error with all its causes, the last of which says what to do, such as which role is missing. For logs and operators.
#[must_use]
pub fn reasons(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    let mut causes: Vec<String> = causes.map(ToString::to_string).collect();
    causes.dedup();
    causes.join(": ")
}

/// A store did not do what it was asked, and nothing is known to have happened: the call may be repeated.
/// What a caller did wrong is never a `StoreError`; each port has its own answers for that.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Out of reach, overloaded, throttled or refusing: worth waiting for, `retry_after` at least where the store named a
    /// time.
    #[error("{store} is unavailable")]
    Unavailable {
        store: &'static str,
        retry_after: Option<Duration>,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// What is stored cannot be read. Waiting does not help, but neither may data be dropped for it.
    #[error("{store} holds a row that cannot be read")]
    Corrupt {
        store: &'static str,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl StoreError {
    pub fn unavailable(store: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable { store, retry_after: None, source: source.into() }
    }

    /// The same error with the time the store asked for.
    #[must_use]
    pub fn asking_for(self, time: Option<Duration>) -> Self {
        match self {
            Self::Unavailable { store, retry_after, source } => {
                Self::Unavailable { store, retry_after: time.or(retry_after), source }
            }
            other => other,
        }
    }

    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            Self::Corrupt { .. } => None,
        }
    }

    pub fn corrupt(store: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Corrupt { store, source: source.into() }
    }
}
