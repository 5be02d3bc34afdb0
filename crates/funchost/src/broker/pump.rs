//! From an entity to its function: one task per trigger.
//!
//! A failed invocation is abandoned and comes again about 5 ms later. With sessions, the messages of one session are
//! handed out one after the other and up to `maxConcurrentSessions` sessions at a time.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::entity::Delivery;
use super::store::Broker;
use crate::config::{Cardinality, Function, ServiceBusOptions, ServiceBusTrigger};
use crate::envelope::{self, Call};
use crate::invoke::Invoker;
use crate::world;

/// What the broker's round trip makes of "at once".
const REDELIVERY: Duration = Duration::from_millis(5);
const SESSION_LOCK: time::Duration = time::Duration::seconds(30);
/// A session's lock is renewed when less than this is left of it.
const RENEW_WITHIN: time::Duration = time::Duration::seconds(15);

/// Carries the messages of one trigger.
pub(crate) struct Pump {
    pub(crate) broker: Broker,
    pub(crate) invoker: Arc<Invoker>,
    pub(crate) function: Arc<Function>,
    pub(crate) trigger: ServiceBusTrigger,
    pub(crate) options: ServiceBusOptions,
    /// `127.0.0.1-<guid>`, one per host.
    pub(crate) client: Arc<str>,
    pub(crate) paused: watch::Receiver<bool>,
}

impl Pump {
    /// Runs until it is dropped.
    pub(crate) async fn run(self: Arc<Self>) {
        match (self.trigger.cardinality, self.trigger.sessions) {
            (Cardinality::One, true) => {
                let limit = self.options.max_concurrent_sessions;
                self.sessions(limit).await;
            }
            // With batches the host holds one session at a time.
            (Cardinality::Many, true) => self.sessions(1).await,
            (Cardinality::One, false) => self.singles().await,
            (Cardinality::Many, false) => self.batches().await,
        }
    }

    fn key(&self) -> String {
        self.trigger.entity.key()
    }

    async fn sessions(self: Arc<Self>, limit: usize) {
        let key = self.key();
        let mut changes = self.broker.changes();
        let mut held = JoinSet::new();
        loop {
            self.until_unpaused().await;
            changes.mark_unchanged();
            while held.len() < limit {
                let Some(session) = self.broker.accept_session(&key) else { break };
                held.spawn(Arc::clone(&self).hold(session));
            }
            tokio::select! {
                Some(_) = held.join_next() => {}
                changed = changes.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Works a session off and gives it up when it has been empty for the idle time.
    async fn hold(self: Arc<Self>, session: String) {
        let key = self.key();
        let mut changes = self.broker.changes();
        let mut locked_until = world::now() + SESSION_LOCK;
        let mut idle_since = Instant::now();
        loop {
            self.until_unpaused().await;
            changes.mark_unchanged();
            if locked_until - world::now() < RENEW_WITHIN {
                locked_until = world::now() + SESSION_LOCK;
            }
            let deliveries = self.take_up_to_batch(|| self.broker.take_in_session(&key, &session));
            if deliveries.is_empty() {
                let deadline = idle_since + self.options.session_idle_timeout;
                match tokio::time::timeout_at(deadline, changes.changed()).await {
                    Ok(Ok(())) => continue,
                    Ok(Err(_)) | Err(_) => break,
                }
            }
            self.deliver(&key, &deliveries, Some(locked_until)).await;
            idle_since = Instant::now();
        }
        self.broker.release_session(&key, &session);
    }

    async fn singles(self: Arc<Self>) {
        let key = self.key();
        let mut changes = self.broker.changes();
        let mut calls = JoinSet::new();
        loop {
            self.until_unpaused().await;
            changes.mark_unchanged();
            while calls.len() < self.options.max_concurrent_calls {
                let Some(delivery) = self.broker.take(&key) else { break };
                let (pump, key) = (Arc::clone(&self), key.clone());
                calls.spawn(async move { pump.deliver(&key, &[delivery], None).await });
            }
            tokio::select! {
                Some(_) = calls.join_next() => {}
                changed = changes.changed() => if changed.is_err() { return },
            }
        }
    }

    /// One batch at a time.
    async fn batches(&self) {
        let key = self.key();
        let mut changes = self.broker.changes();
        loop {
            self.until_unpaused().await;
            changes.mark_unchanged();
            let deliveries = self.take_up_to_batch(|| self.broker.take(&key));
            if deliveries.is_empty() {
                if changes.changed().await.is_err() {
                    return;
                }
                continue;
            }
            self.deliver(&key, &deliveries, None).await;
        }
    }

    fn take_up_to_batch(&self, take: impl FnMut() -> Option<Delivery>) -> Vec<Delivery> {
        let limit = match self.trigger.cardinality {
            Cardinality::One => 1,
            Cardinality::Many => self.options.max_message_batch_size,
        };
        std::iter::repeat_with(take).map_while(|delivery| delivery).take(limit).collect()
    }

    /// Calls the function and settles what it was called with.
    async fn deliver(
        &self,
        key: &str,
        deliveries: &[Delivery],
        session_locked_until: Option<OffsetDateTime>,
    ) {
        let guid = world::guid();
        let call = Call {
            function: &self.function.name,
            binding: &self.trigger.binding,
            data_type: self.trigger.data_type,
            client: &self.client,
            session_locked_until,
            now: world::now(),
            guid: &guid,
        };
        let envelope = match (self.trigger.cardinality, deliveries) {
            (Cardinality::One, [delivery]) => Ok(envelope::single(&call, delivery)),
            _ => envelope::batch(&call, deliveries),
        };
        let succeeded = match envelope {
            Ok(envelope) => self.invoker.call(&self.function, envelope).await.is_ok(),
            Err(reason) => {
                tracing::warn!(
                    function = self.function.name,
                    reason,
                    "a batch failed before the handler saw it"
                );
                false
            }
        };
        if succeeded {
            for delivery in deliveries {
                self.broker.complete(key, delivery);
            }
        } else {
            tokio::time::sleep(REDELIVERY).await;
            for delivery in deliveries {
                self.broker.abandon(key, delivery);
            }
        }
    }

    async fn until_unpaused(&self) {
        let mut paused = self.paused.clone();
        let unpaused = paused.wait_for(|paused| !paused).await.is_ok();
        if !unpaused {
            // Nobody can unpause any more: the host is going.
            std::future::pending::<()>().await;
        }
    }
}
