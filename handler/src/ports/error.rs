use std::error::Error;

/// A store did not do what it was asked, and nothing is known to have happened: the call may be repeated.
/// What a caller did wrong is never a `StoreError`; each port has its own answers for that.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Out of reach, overloaded, throttled or refusing: worth waiting for.
    #[error("{store} is unavailable")]
    Unavailable {
        store: &'static str,
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
        Self::Unavailable { store, source: source.into() }
    }

    pub fn corrupt(store: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Corrupt { store, source: source.into() }
    }
}
