use std::sync::Arc;

use super::azure::Azure;
use super::{OpenError, remote};
use crate::adapters::azure::{BusAccess, BusEntities, ServiceBus};
use crate::adapters::queue::{FileQueue, Limits, MemoryQueue};
use crate::calls::Calls;
use crate::config::QueueConfig;
use crate::functions::Warnings;
use crate::ports::{Clock, Deliveries, Queue, StoreError};

/// The queue's two sides, and what is closed in the end.
pub(super) struct Queues {
    pub(super) sender: Arc<dyn Queue>,
    /// None where the Functions host receives.
    pub(super) deliveries: Option<Arc<dyn Deliveries>>,
    /// What an operator has to mend at the queue.
    pub(super) warnings: Warnings,
    file: Option<Arc<FileQueue>>,
}

impl Queues {
    pub(super) async fn open(
        config: &QueueConfig,
        clock: Arc<dyn Clock>,
        azure: &mut Azure,
        calls: &Calls,
    ) -> Result<Self, OpenError> {
        match config {
            QueueConfig::Embedded { data_dir: None } => {
                let queue = Arc::new(MemoryQueue::new(Limits::MEMORY));
                Ok(Self {
                    sender: queue.clone(),
                    deliveries: Some(queue),
                    warnings: Warnings::none(),
                    file: None,
                })
            }
            QueueConfig::Embedded { data_dir: Some(data_dir) } => {
                let queue = Arc::new(FileQueue::open(data_dir.join("queue.redb"), Limits::FILE).await?);
                let file = Arc::clone(&queue);
                Ok(Self {
                    sender: queue.clone(),
                    deliveries: Some(queue.clone()),
                    warnings: Warnings::of(move || std::future::ready(unreadable(file.unreadable()))),
                    file: Some(queue),
                })
            }
            QueueConfig::ServiceBus { access, queue, topic, subscription } => {
                let entities = BusEntities { queue, topic, subscription };
                let http = azure.http()?;
                let sender = match access.clone() {
                    BusAccess::Key(connection) => ServiceBus::with_key(connection, entities, clock, &http),
                    BusAccess::Identity(host) => {
                        ServiceBus::with_identity(host, entities, azure.identity()?, &http)
                    }
                };
                let sender = sender.map_err(|error| StoreError::unavailable("Service Bus", error))?;
                let sender = Arc::new(sender);
                let bus = Arc::clone(&sender);
                Ok(Self {
                    sender: remote::queue(sender, calls),
                    deliveries: None,
                    warnings: Warnings::of(move || {
                        let bus = Arc::clone(&bus);
                        async move { bus.warnings().await }
                    }),
                    file: None,
                })
            }
        }
    }

    /// After the last sender and receiver stopped.
    pub(super) async fn close(self) {
        if let Some(file) = self.file
            && let Err(error) = file.close().await
        {
            tracing::warn!(%error, "the queue's file was not closed cleanly; some messages may come again");
        }
    }
}

/// What an operator has to know of messages that were accepted and cannot be read any more.
fn unreadable(count: u64) -> Vec<String> {
    let sentence = || {
        format!(
            "The embedded queue put {count} accepted messages aside, since what is stored of them cannot be read; their bytes are in queue.redb, the log says why."
        )
    };
    (count > 0).then(sentence).into_iter().collect()
}
