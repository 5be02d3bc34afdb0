use std::sync::Arc;

use super::azure::Azure;
use super::{OpenError, remote};
use crate::adapters::azure::{BusAccess, ServiceBus};
use crate::adapters::queue::{FileQueue, Limits, MemoryQueue};
use crate::calls::Calls;
use crate::config::QueueConfig;
use crate::ports::{Clock, Deliveries, Queue, StoreError};

/// The queue's two sides, and what is closed in the end.
pub(super) struct Queues {
    pub(super) sender: Arc<dyn Queue>,
    /// None where the Functions host receives.
    pub(super) deliveries: Option<Arc<dyn Deliveries>>,
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
                Ok(Self { sender: queue.clone(), deliveries: Some(queue), file: None })
            }
            QueueConfig::Embedded { data_dir: Some(data_dir) } => {
                let queue = Arc::new(FileQueue::open(data_dir.join("queue.redb"), Limits::FILE).await?);
                Ok(Self { sender: queue.clone(), deliveries: Some(queue.clone()), file: Some(queue) })
            }
            QueueConfig::ServiceBus { access, queue, topic } => {
                let http = azure.http()?;
                let sender = match access.clone() {
                    BusAccess::Key(connection) => {
                        ServiceBus::with_key(connection, queue, topic, clock, &http)
                    }
                    BusAccess::Identity(host) => {
                        ServiceBus::with_identity(host, queue, topic, azure.identity()?, &http)
                    }
                };
                let sender = sender.map_err(|error| StoreError::unavailable("Service Bus", error))?;
                Ok(Self { sender: remote::queue(Arc::new(sender), calls), deliveries: None, file: None })
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
