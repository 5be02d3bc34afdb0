//! The embedded worker: pumps the queue into the chat where no Functions host does it.

use std::sync::Arc;

use crate::chat::Chat;
use crate::ports::Deliveries;

#[derive(Clone, Copy, Debug)]
pub struct WorkerOptions {
    /// Sessions in work at once.
    pub sessions: usize,
    /// Messages of one session taken and appended together.
    pub batch: usize,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self { sessions: 64, batch: 64 }
    }
}

pub struct Worker {}

impl Worker {
    /// Starts pumping, in tasks of its own.
    #[must_use]
    pub fn start(_chat: Arc<Chat>, _deliveries: Arc<dyn Deliveries>, _options: WorkerOptions) -> Self {
        todo!()
    }

    /// Takes no more messages and waits until those in hand are finished. A message whose dependency is away keeps it
    /// waiting: bound it with a timeout and drop the future, which abandons what is in hand.
    pub async fn stop(self) {
        todo!()
    }
}
