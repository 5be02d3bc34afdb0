//! Has the chat's chores done, where no timer function does it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use crate::chat::{CHORES_EVERY, Chat};

/// Nobody waits for a round here but the next one.
const BUDGET: Duration = Duration::from_secs(60);

/// Goes on until it is stopped or dropped.
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
    let mut ticks = interval_at(Instant::now() + CHORES_EVERY, CHORES_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        if stop.run_until_cancelled(chat.do_chores(BUDGET)).await.is_none() {
            return;
        }
    }
}
