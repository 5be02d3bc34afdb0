//! The embedded worker: pumps the queue into the chat where no Functions host does it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::calls::Invocation;
use crate::chat::{Chat, Fate, Patience};
use crate::ports::{Deliveries, Delivery, Received};

/// How often the lock of what is in hand is started anew: well within the 30 s it lasts.
const RENEW_EVERY: Duration = Duration::from_secs(10);
/// Before a message that could not be delivered comes again.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

#[derive(Clone, Copy, Debug)]
pub struct WorkerOptions {
    /// Sessions in work at once.
    pub sessions: usize,
    /// Messages of one session taken and appended together.
    pub batch: usize,
    /// Whether a Functions host shows the log.
    pub is_under_host: bool,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self { sessions: 64, batch: 32, is_under_host: false }
    }
}

/// Takes messages until it is stopped. Dropping it gives back what is in hand.
pub struct Worker {
    stop: CancellationToken,
    abandon: CancellationToken,
    pump: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts pumping, in tasks of its own.
    #[must_use]
    pub fn start(chat: Arc<Chat>, deliveries: Arc<dyn Deliveries>, options: WorkerOptions) -> Self {
        let (stop, abandon) = (CancellationToken::new(), CancellationToken::new());
        let pump = Pump { chat, deliveries, options, stop: stop.clone(), abandon: abandon.clone() };
        let pump = Some(tokio::spawn(pump.run()));
        Self { stop, abandon, pump }
    }

    /// Takes no more messages and waits until those in hand are finished. One whose dependency is away keeps it waiting:
    /// bound it with a timeout. Dropping the future gives back what is still in hand.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(pump) = self.pump.take() {
            let _ = pump.await;
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.cancel();
        self.abandon.cancel();
    }
}

struct Pump {
    chat: Arc<Chat>,
    deliveries: Arc<dyn Deliveries>,
    options: WorkerOptions,
    stop: CancellationToken,
    abandon: CancellationToken,
}

impl Pump {
    async fn run(self) {
        let permits = Arc::new(Semaphore::new(self.options.sessions.max(1)));
        let tasks = TaskTracker::new();
        while let Some(Ok(permit)) = self.stop.run_until_cancelled(Arc::clone(&permits).acquire_owned()).await
        {
            let receive = self.deliveries.receive(self.options.batch.max(1));
            let Some(batch) = self.stop.run_until_cancelled(receive).await else { break };
            let (chat, abandon) = (Arc::clone(&self.chat), self.abandon.clone());
            let is_under_host = self.options.is_under_host;
            tasks.spawn(async move {
                let mut invocation = Invocation::start("worker", is_under_host);
                let work = invocation.tally();
                let work = work.count(handle(&chat, batch, &mut invocation));
                // Dropped deliveries go back to the queue.
                abandon.run_until_cancelled_owned(work).await;
                drop(permit);
            });
        }
        tasks.close();
        tasks.wait().await;
    }
}

/// Renews the lock of a session's messages for as long as it is waited for, which in an outage is long.
async fn lock_is_lost(batch: &[Box<dyn Delivery>]) {
    let Some(first) = batch.first() else { return };
    loop {
        tokio::time::sleep(RENEW_EVERY).await;
        if !first.renew().await {
            return;
        }
    }
}

/// Delivers what was taken of one session, and settles each message by what became of it.
async fn handle(chat: &Chat, batch: Vec<Box<dyn Delivery>>, invocation: &mut Invocation) {
    let messages: Vec<&Received> = batch.iter().map(|delivery| delivery.message()).collect();
    let fates = tokio::select! {
        delivered = chat.deliver(&messages, Patience::Forever) => {
            delivered.unwrap_or_else(|not_delivered| not_delivered.fates)
        }
        () = lock_is_lost(&batch) => {
            tracing::warn!("the lock of messages in hand was lost; they are delivered again");
            return;
        }
    };
    invocation.outcome = Fate::summary(&fates).into();
    let (mut settled, mut waiting) = (Vec::with_capacity(batch.len()), Vec::new());
    for (delivery, fate) in batch.into_iter().zip(fates) {
        if fate == Fate::Waiting {
            waiting.push(delivery);
        } else {
            settled.push(delivery.complete());
        }
    }
    for error in join_all(settled).await.into_iter().filter_map(Result::err) {
        // It comes again, and the log knows it.
        tracing::warn!(error = &error as &dyn std::error::Error, "a delivered message stays in the queue");
    }
    for delivery in waiting {
        delivery.abandon(AGAIN_AFTER).await;
    }
}
