use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::tables::{self, Change};
use crate::adapters::engine::Engine;
use crate::ports::StoreError;

/// Changes of one transaction, so that a backlog of them does not hold up the sends.
const AT_ONCE: usize = 4096;
const RETRY: Duration = Duration::from_millis(500);

/// What became of messages, on its way to the file.
///
/// Nobody waits for it. A crash before it arrives means that messages come again, which the log takes as the repeats
/// they are; so an fsync of its own for each completion would buy nothing. Nothing is forgotten while the process
/// lives: a change stays here until it is written, however often that fails.
pub(super) struct Settling {
    engine: Engine,
    pending: Mutex<BTreeMap<u64, Change>>,
    noted: Notify,
}

impl Settling {
    pub(super) fn new(engine: Engine) -> Self {
        Self { engine, pending: Mutex::default(), noted: Notify::new() }
    }

    pub(super) fn note(&self, sequence: u64, change: Change) {
        self.pending().insert(sequence, change);
        self.noted.notify_one();
    }

    /// Writes what is noted, for ever. Whatever gathers during a commit shares the next.
    pub(super) async fn run(&self) {
        loop {
            self.noted.notified().await;
            while !self.pending().is_empty() {
                if let Err(error) = self.flush(AT_ONCE).await {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "settled messages are not written yet"
                    );
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// Writes up to `limit` of the changes that are noted now. May run twice at once: writing a change again is
    /// harmless.
    pub(super) async fn flush(&self, limit: usize) -> Result<(), StoreError> {
        let changes: BTreeMap<u64, Change> =
            self.pending().iter().take(limit).map(|(sequence, change)| (*sequence, change.clone())).collect();
        if changes.is_empty() {
            return Ok(());
        }
        let changes = Arc::new(changes);
        let writing = changes.clone();
        self.engine.write(move |txn| tables::apply(txn, &writing)).await?;
        self.pending().retain(|sequence, change| changes.get(sequence) != Some(change));
        Ok(())
    }

    fn pending(&self) -> MutexGuard<'_, BTreeMap<u64, Change>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
