use std::panic::{AssertUnwindSafe, catch_unwind};

use redb::WriteTransaction;

use super::error::{NotCommitted, closed, panicked, unavailable};
use crate::ports::StoreError;

/// One caller's write, whatever its type.
pub(super) trait Job: Send {
    /// Does the work, again from the start if it was done before. `false`: it failed, and what it wrote must not stay.
    fn run(&mut self, txn: &WriteTransaction) -> bool;

    /// Tells the caller what the last run found.
    fn answer(self: Box<Self>);

    /// Tells the caller that nothing happened.
    fn fail(self: Box<Self>, reason: NotCommitted);
}

pub(super) struct Write<F, T, D> {
    act: F,
    found: Option<Result<T, StoreError>>,
    done: D,
}

impl<F, T, D> Write<F, T, D>
where
    D: FnOnce(Result<T, StoreError>),
{
    pub(super) fn new(act: F, done: D) -> Self {
        Self { act, found: None, done }
    }

    fn tell(done: D, answer: Result<T, StoreError>) {
        // The write stands as it is, and so must the writer thread.
        if catch_unwind(AssertUnwindSafe(|| done(answer))).is_err() {
            tracing::error!("what follows a write panicked");
        }
    }
}

impl<F, T, D> Job for Write<F, T, D>
where
    F: Fn(&WriteTransaction) -> Result<T, StoreError> + Send,
    T: Send,
    D: FnOnce(Result<T, StoreError>) + Send,
{
    fn run(&mut self, txn: &WriteTransaction) -> bool {
        let found = catch_unwind(AssertUnwindSafe(|| (self.act)(txn))).unwrap_or_else(|_| Err(panicked()));
        self.found.insert(found).is_ok()
    }

    fn answer(self: Box<Self>) {
        Self::tell(self.done, self.found.unwrap_or_else(|| Err(closed())));
    }

    fn fail(self: Box<Self>, reason: NotCommitted) {
        Self::tell(self.done, Err(unavailable(reason)));
    }
}
