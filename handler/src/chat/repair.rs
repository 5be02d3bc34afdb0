//! What crashes and lost events leave behind, put right by a timer. One process does it at a time.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::{StreamExt, stream};

use super::{Chat, Refused, groups};
use crate::model::{Lease, Timestamp};

/// How often it runs.
pub const REPAIR_EVERY: Duration = Duration::from_secs(20);
/// A lease younger than this is left alone: its connection may be joining the list of rooms just now.
const GRACE: Duration = Duration::from_secs(5);
/// How long a client may take from `connect` to `connected`.
const UNCONFIRMED: Duration = Duration::from_secs(30);
/// Connections listed at once, leases read at once, and leases looked at in one run. The next run goes on behind them.
const PAGE: usize = 500;
const LEASES: usize = 20_000;
/// Leases ended at once.
const AT_ONCE: usize = 16;

impl Chat {
    /// Finishes what was left half done, removes what is over, files in no message, and the leases of connections that are no more. Bounded work;
    /// repeatable. What fails of it does not keep the rest from being done.
    pub async fn repair(&self) -> Result<(), Refused> {
        let finished = self.finish_sanctions().await;
        let forgotten = self.forget_expired().await;
        let files = self.look_after_attachments().await.map(drop);
        let leases = self.repair_leases().await;
        finished.and(forgotten).and(files).and(leases)
    }

    async fn repair_leases(&self) -> Result<(), Refused> {
        let started = self.ports.clock.now();
        let open = self.open_connections().await?;
        let (mut after, mut outcome) = (self.repaired_up_to.lock().await, Ok(()));
        for _ in 0..LEASES / PAGE {
            let cursor = after.as_ref().map(|lease| (&lease.user, lease.connection.as_str()));
            let leases = self.ports.leases.list(cursor, PAGE).await?;
            let repairs = leases
                .iter()
                .map(|lease| self.repair_lease(lease, started, open.contains(&lease.connection)));
            let mut repairs = stream::iter(repairs.collect::<Vec<_>>()).buffer_unordered(AT_ONCE);
            while let Some(repaired) = repairs.next().await {
                // One that cannot be ended is met again, and does not keep the others.
                outcome = outcome.and(repaired);
            }
            drop(repairs);
            let is_last = leases.len() < PAGE;
            *after = leases.into_iter().next_back().filter(|_| !is_last);
            if is_last {
                break;
            }
        }
        outcome
    }

    async fn repair_lease(&self, lease: &Lease, now: Timestamp, is_open: bool) -> Result<(), Refused> {
        let age = Duration::from_millis(now.millis().saturating_sub(lease.since.millis()));
        match (is_open, lease.confirmed) {
            (true, true) => Ok(()),
            // It is there and `connected` never came.
            (true, false) if age > GRACE => self.confirm(&lease.user, &lease.connection).await,
            (false, true) if age > GRACE => self.end_lease(&lease.user, &lease.connection).await,
            // Nobody came by it, so nobody goes.
            (false, false) if age > UNCONFIRMED => {
                self.ports.leases.remove(&lease.user, &lease.connection).await?;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Every connection is in the list of rooms' group from its start to its end.
    async fn open_connections(&self) -> Result<HashSet<String>, Refused> {
        let mut open = HashSet::new();
        let mut after: Option<String> = None;
        loop {
            let transport = &self.ports.transport;
            let page = transport.connections_in(groups::ROOM_LIST, after.as_deref(), PAGE).await?;
            let is_last = page.len() < PAGE;
            after = page.last().cloned();
            open.extend(page);
            if is_last {
                return Ok(open);
            }
        }
    }
}
