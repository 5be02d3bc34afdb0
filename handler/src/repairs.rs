//! Runs the chat's repair from time to time, where no timer function does it.

use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use crate::chat::{Chat, REPAIR_EVERY};

/// Repairs until it is stopped or dropped.
pub struct Repairs {
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Repairs {
    /// Starts it, in a task of its own.
    #[must_use]
    pub fn start(chat: Arc<Chat>) -> Self {
        let stop = CancellationToken::new();
        let task = Some(tokio::spawn(run(chat, stop.clone())));
        Self { stop, task }
    }

    /// Breaks a run off where it is, which the next start's makes good.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            let _ = task.await;
        }
    }
}

impl Drop for Repairs {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn run(chat: Arc<Chat>, stop: CancellationToken) {
    let mut ticks = interval_at(Instant::now() + REPAIR_EVERY, REPAIR_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        match stop.run_until_cancelled(chat.repair()).await {
            Some(Err(refused)) => tracing::warn!(code = refused.code, "a repair was not finished"),
            Some(Ok(())) => {}
            None => return,
        }
    }
}
