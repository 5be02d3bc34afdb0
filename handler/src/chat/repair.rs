//! Leases and the connections that are there, compared: what crashes and lost events leave behind.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::{StreamExt, stream};

use super::{Chat, Refused, groups};
use crate::model::{Lease, Timestamp};

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
    /// Ends the leases of connections that are no more, and confirms those whose `connected` never came. Bounded work, and
    /// one run at a time; one that fails does not keep the others.
    pub(super) async fn repair_leases(&self) -> Result<usize, Refused> {
        let started = self.ports.clock.now();
        let open = self.open_connections().await?;
        let (mut after, mut outcome, mut count) = (self.repaired_up_to.lock().await, Ok(()), 0);
        for _ in 0..LEASES / PAGE {
            let cursor = after.as_ref().map(|lease| (&lease.user, lease.connection.as_str()));
            let leases = self.ports.leases.list(cursor, PAGE).await?;
            let repairs = leases
                .iter()
                .map(|lease| self.repair_lease(lease, started, open.contains(&lease.connection)));
            let mut repairs = stream::iter(repairs.collect::<Vec<_>>()).buffer_unordered(AT_ONCE);
            while let Some(repaired) = repairs.next().await {
                // One that cannot be ended is met again, and does not keep the others.
                match repaired {
                    Ok(was_wrong) => count += usize::from(was_wrong),
                    Err(refused) => outcome = Err(refused),
                }
            }
            drop(repairs);
            let is_last = leases.len() < PAGE;
            *after = leases.into_iter().next_back().filter(|_| !is_last);
            if is_last {
                break;
            }
        }
        outcome.map(|()| count)
    }

    /// Answers whether there was anything to do.
    async fn repair_lease(&self, lease: &Lease, now: Timestamp, is_open: bool) -> Result<bool, Refused> {
        let age = Duration::from_millis(now.millis().saturating_sub(lease.since.millis()));
        match (is_open, lease.confirmed) {
            // It is there and `connected` never came.
            (true, false) if age > GRACE => self.confirm(&lease.user, &lease.connection).await?,
            (false, true) if age > GRACE => self.end_lease(&lease.user, &lease.connection).await?,
            // Nobody came by it, so nobody goes.
            (false, false) if age > UNCONFIRMED => {
                self.ports.leases.remove(&lease.user, &lease.connection).await?;
            }
            _ => return Ok(false),
        }
        Ok(true)
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
