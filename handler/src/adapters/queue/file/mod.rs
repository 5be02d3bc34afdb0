mod row;
mod settling;
mod shared;
mod tables;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use self::settling::Settling;
use self::shared::{Shared, restore};
use super::core::Core;
use super::sessions::Item;
use super::{Counts, Limits, size_of};
use crate::adapters::engine::Engine;
use crate::ports::{Deliveries, Delivery, Outgoing, Queue, QueueError, StoreError};

/// A queue in a file of its own. `Ok` of a send is an fsync, which sends at the same time share.
///
/// In memory it keeps some tens of bytes a message; bodies are read when they are delivered. Completed messages leave
/// the file soon after, not at once: after a crash some may come again, never fewer. The count of deliveries outlives a
/// crash from the second delivery on; the first one leaves no trace until it is settled.
pub struct FileQueue {
    shared: Arc<Shared>,
    settling: AbortHandle,
}

impl FileQueue {
    /// Opens the file, making it where there is none. Reads through all that waits: about a second for a million
    /// messages, nothing for the usual handful.
    pub async fn open(path: impl AsRef<Path>, limits: Limits) -> Result<Self, StoreError> {
        let engine = Engine::open(path).await?;
        engine.write(tables::create).await?;
        let (core, unreadable) = restore(&engine, Core::new(limits)).await?;
        let (unreadable, settling) = (AtomicU64::new(unreadable), Settling::new(engine.clone()));
        let shared = Arc::new(Shared { core, unreadable, settling, engine });
        let running = shared.clone();
        let task = tokio::spawn(async move { running.settling.run().await });
        Ok(Self { shared, settling: task.abort_handle() })
    }

    /// Writes what was settled and closes the file. Whoever calls it has stopped sending and receiving.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.settling.abort();
        let flushed = self.shared.settling.flush(usize::MAX).await;
        self.shared.engine.close().await;
        flushed
    }

    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.core.counts()
    }

    /// Messages that were put aside since what is stored of them cannot be read. Their bytes stay in the file.
    #[must_use]
    pub fn unreadable(&self) -> u64 {
        self.shared.unreadable.load(Ordering::Relaxed)
    }
}

impl Drop for FileQueue {
    fn drop(&mut self) {
        self.settling.abort();
    }
}

#[async_trait]
impl Queue for FileQueue {
    async fn send(&self, message: Outgoing) -> Result<(), QueueError> {
        size_of(&message)?;
        let row = row::encode(&message).map_err(QueueError::unavailable)?;
        let room = Room::reserve(&self.shared, row.len())?;
        let (tell, answer) = oneshot::channel();
        // What follows the commit must happen although the sender may have gone away.
        let arrive = move |written: Result<u64, StoreError>| {
            let sent = written.map(|sequence| room.fill(&message.session_id, sequence));
            let _ = tell.send(sent.map_err(QueueError::unavailable));
        };
        let queued = self.shared.engine.submit(move |txn| tables::append(txn, &row), arrive).await;
        queued.map_err(QueueError::unavailable)?;
        answer.await.map_err(QueueError::unavailable)?
    }

    async fn check(&self) -> Result<(), QueueError> {
        self.shared.core.check()?;
        self.shared.engine.write(|_| Ok(())).await.map_err(QueueError::unavailable)
    }
}

/// Room for one message, given back unless it is filled.
struct Room {
    shared: Arc<Shared>,
    bytes: usize,
    filled: bool,
}

impl Room {
    fn reserve(shared: &Arc<Shared>, bytes: usize) -> Result<Self, QueueError> {
        shared.core.reserve(bytes)?;
        Ok(Self { shared: shared.clone(), bytes, filled: false })
    }

    fn fill(mut self, session: &str, sequence: u64) {
        self.filled = true;
        self.shared.core.push(session, Item { sequence, attempt: 0, bytes: self.bytes, place: () });
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if !self.filled {
            self.shared.core.free(self.bytes);
        }
    }
}

#[async_trait]
impl Deliveries for FileQueue {
    async fn receive(&self, max: usize) -> Vec<Box<dyn Delivery>> {
        loop {
            let batch = self.shared.core.next(max).await;
            // From here on there is no await: a caller that goes away has taken nothing.
            let deliveries = self.shared.load(&batch);
            if !deliveries.is_empty() {
                return deliveries;
            }
        }
    }
}

#[cfg(test)]
mod tests;
