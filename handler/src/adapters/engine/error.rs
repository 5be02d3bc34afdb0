use std::error::Error;
use std::sync::Arc;

use super::STORE;
use crate::ports::StoreError;

/// Why nothing of a shared transaction took effect; every write in it gets the same reason.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the transaction was not committed")]
pub(super) struct NotCommitted(#[source] pub(super) Arc<dyn Error + Send + Sync>);

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("it is closed")]
    Closed,
    #[error("a write or read panicked")]
    Panicked,
}

pub(super) fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> StoreError {
    StoreError::unavailable(STORE, source)
}

pub(super) fn closed() -> StoreError {
    unavailable(Fault::Closed)
}

pub(super) fn panicked() -> StoreError {
    unavailable(Fault::Panicked)
}

fn from_redb(error: redb::Error) -> StoreError {
    match error {
        redb::Error::Corrupted(_)
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TableIsMultimap(_)
        | redb::Error::TableIsNotMultimap(_)
        | redb::Error::TypeDefinitionChanged { .. }
        | redb::Error::UpgradeRequired(_) => StoreError::corrupt(STORE, error),
        other => unavailable(other),
    }
}

macro_rules! store_error_from {
    ($($error:ty),*) => {$(
        impl From<$error> for StoreError {
            fn from(error: $error) -> Self {
                from_redb(error.into())
            }
        }
    )*};
}

store_error_from!(
    redb::DatabaseError,
    redb::TransactionError,
    redb::TableError,
    redb::StorageError,
    redb::CommitError,
    redb::SetDurabilityError
);
