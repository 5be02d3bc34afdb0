use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use super::row;
use super::settling::Settling;
use super::tables::{self, Change};
use crate::adapters::engine::Engine;
use crate::adapters::queue::core::Core;
use crate::adapters::queue::sessions::{Batch, Item};
use crate::ports::{Delivery, QueueError, Received, StoreError};

/// When a session is tried again whose messages could not be read.
const READ_RETRY: Duration = Duration::from_millis(500);

/// What a queue and its deliveries share.
pub(super) struct Shared {
    pub(super) core: Core<()>,
    /// Messages that were put aside. They take no room of those that can be delivered.
    pub(super) unreadable: AtomicU64,
    pub(super) engine: Engine,
    pub(super) settling: Settling,
}

/// Takes in what an earlier process left. What cannot be read is put aside; how much there is of it.
pub(super) async fn restore(engine: &Engine, core: Core<()>) -> Result<(Core<()>, u64), StoreError> {
    let (core, unreadable) = engine
        .scan(move |txn| {
            let mut unreadable = BTreeMap::new();
            tables::each_message(txn, |sequence, attempt, row| match row::session(row) {
                Ok(session) => {
                    // A first delivery costs no write, so nobody knows whether the earlier process had begun one.
                    let attempt = attempt.max(1);
                    core.restore(session, Item { sequence, attempt, bytes: row.len(), place: () });
                }
                Err(error) => {
                    let reason = format!("unreadable: {error}");
                    unreadable.insert(sequence, Change::PutAside { attempt, reason });
                }
            })?;
            Ok((core, unreadable))
        })
        .await?;
    if !unreadable.is_empty() {
        tracing::error!(count = unreadable.len(), "messages that cannot be read were put aside");
        engine.write(move |txn| tables::apply(txn, &unreadable)).await?;
    }
    let unreadable = engine.read(tables::unreadable)?;
    Ok((core, unreadable))
}

impl Shared {
    /// The deliveries of a batch. Empty where none of it is left, or where the file cannot be read now: then the
    /// session waits a little.
    pub(super) fn load(self: &Arc<Self>, batch: &Batch<()>) -> Vec<Box<dyn Delivery>> {
        let rows = self.engine.read(|txn| {
            batch.items.iter().map(|item| tables::get(txn, item.sequence)).collect::<Result<Vec<_>, _>>()
        });
        match rows {
            Ok(rows) => {
                let loaded = batch.items.iter().zip(rows);
                loaded.filter_map(|(item, row)| self.deliver(batch, item, row)).collect()
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "waiting messages cannot be read");
                if let Some(first) = batch.items.first() {
                    self.core.give_back(&batch.session, batch.hold, first.sequence, READ_RETRY);
                }
                Vec::new()
            }
        }
    }

    fn deliver(
        self: &Arc<Self>,
        batch: &Batch<()>,
        item: &Item<()>,
        row: Option<Vec<u8>>,
    ) -> Option<Box<dyn Delivery>> {
        let held = Held {
            shared: self.clone(),
            session: batch.session.clone(),
            hold: batch.hold,
            sequence: item.sequence,
            attempt: item.attempt,
        };
        let Some(row) = row else {
            // Only a file changed by other hands lacks a row that is waited for. There is nothing left to deliver.
            tracing::error!(sequence = item.sequence, "a waiting message is gone from the file");
            held.complete().ok();
            return None;
        };
        match row::decode(&row, item.sequence, item.attempt) {
            Ok(message) => {
                if item.attempt > 1 {
                    self.settling.note(item.sequence, Change::Delivered(item.attempt));
                }
                Some(Box::new(OnFile { held: Some(held), message }))
            }
            Err(error) => {
                tracing::error!(sequence = item.sequence, %error, "a message that cannot be read is put aside");
                held.put_aside(format!("unreadable: {error}")).ok();
                None
            }
        }
    }
}

/// The right to settle one message.
struct Held {
    shared: Arc<Shared>,
    session: Arc<str>,
    hold: u64,
    sequence: u64,
    attempt: u32,
}

impl Held {
    fn renew(&self) -> bool {
        self.shared.core.renew(&self.session, self.hold)
    }

    fn complete(self) -> Result<(), QueueError> {
        self.shared.core.complete(&self.session, self.hold, self.sequence)?;
        self.shared.settling.note(self.sequence, Change::Completed);
        Ok(())
    }

    fn put_aside(self, reason: String) -> Result<(), QueueError> {
        self.shared.core.complete(&self.session, self.hold, self.sequence)?;
        self.shared.settling.note(self.sequence, Change::PutAside { attempt: self.attempt, reason });
        self.shared.unreadable.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn give_back(self, delay: Duration) {
        self.shared.core.give_back(&self.session, self.hold, self.sequence, delay);
    }
}

struct OnFile {
    /// `None` once it is settled.
    held: Option<Held>,
    message: Received,
}

#[async_trait]
impl Delivery for OnFile {
    fn message(&self) -> &Received {
        &self.message
    }

    async fn renew(&self) -> bool {
        self.held.as_ref().is_some_and(Held::renew)
    }

    async fn complete(mut self: Box<Self>) -> Result<(), QueueError> {
        self.held.take().map_or(Ok(()), Held::complete)
    }

    async fn abandon(mut self: Box<Self>, delay: Duration) {
        if let Some(held) = self.held.take() {
            held.give_back(delay);
        }
    }
}

impl Drop for OnFile {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            held.give_back(Duration::ZERO);
        }
    }
}
