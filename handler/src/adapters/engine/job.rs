use std::panic::{AssertUnwindSafe, catch_unwind};

use redb::WriteTransaction;
use tokio::sync::oneshot;

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

pub(super) struct Write<F, T> {
    act: F,
    found: Option<Result<T, StoreError>>,
    caller: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Write<F, T> {
    pub(super) fn new(act: F) -> (Self, oneshot::Receiver<Result<T, StoreError>>) {
        let (caller, answer) = oneshot::channel();
        (Self { act, found: None, caller }, answer)
    }

    fn send(self, answer: Result<T, StoreError>) {
        // A caller that went away has nothing to hear; its write stands.
        let _ = self.caller.send(answer);
    }
}

impl<F, T> Job for Write<F, T>
where
    F: Fn(&WriteTransaction) -> Result<T, StoreError> + Send,
    T: Send,
{
    fn run(&mut self, txn: &WriteTransaction) -> bool {
        let found = catch_unwind(AssertUnwindSafe(|| (self.act)(txn))).unwrap_or_else(|_| Err(panicked()));
        self.found.insert(found).is_ok()
    }

    fn answer(mut self: Box<Self>) {
        let found = self.found.take().unwrap_or_else(|| Err(closed()));
        self.send(found);
    }

    fn fail(self: Box<Self>, reason: NotCommitted) {
        self.send(Err(unavailable(reason)));
    }
}
