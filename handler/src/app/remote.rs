//! What stands around ports whose adapters call other machines: every call ends in time and is counted, and what may be
//! repeated is, where the adapter's own client does not do so.

use std::sync::Arc;
use std::time::Duration;

use super::stores::Stores;
use crate::adapters::retrying::{Retrying, RetryingPort};
use crate::adapters::timed::{Timed, TimedPort};
use crate::calls::Calls;
use crate::ports::Attachments;

/// For a call of a store: more than one request may take.
const STORE: Duration = Duration::from_secs(15);
/// For a call of a log or of uploads, which try a conflicting write for 20 s.
const LOG: Duration = Duration::from_secs(30);
/// For a send to the queue.
const QUEUE: Duration = Duration::from_secs(15);
/// For a call of the transport, whose client has a time for each of its tries.
const TRANSPORT: Duration = Duration::from_secs(30);

/// The stores of another machine.
pub(super) fn stores(stores: Stores, calls: &Calls) -> Stores {
    Stores {
        log: around(stores.log, calls, LOG),
        rooms: around(stores.rooms, calls, STORE),
        members: around(stores.members, calls, STORE),
        sanctions: around(stores.sanctions, calls, STORE),
        invitations: around(stores.invitations, calls, STORE),
        profiles: around(stores.profiles, calls, STORE),
        inbox: around(stores.inbox, calls, STORE),
        letters: around(stores.letters, calls, STORE),
        uploads: around(stores.uploads, calls, LOG),
        attachments: stores.attachments.map(|files| -> Arc<dyn Attachments> { around(files, calls, STORE) }),
        local_files: stores.local_files,
        erasures: around(stores.erasures, calls, STORE),
        audit: around(stores.audit, calls, STORE),
        leases: around(stores.leases, calls, STORE),
        handled: around(stores.handled, calls, STORE),
        usage: around(stores.usage, calls, STORE),
        engine: stores.engine,
        remote: stores.remote,
    }
}

/// A queue of another machine.
pub(super) fn queue<P: ?Sized>(inner: Arc<P>, calls: &Calls) -> Arc<RetryingPort<TimedPort<P>>> {
    around(inner, calls, QUEUE)
}

/// A transport of another machine. Its client tries again by itself, so nothing here does.
pub(super) fn transport<P: ?Sized>(inner: Arc<P>, calls: &Calls) -> Arc<TimedPort<P>> {
    Arc::new(TimedPort::new(inner, Timed::new(calls.clone(), TRANSPORT)))
}

/// Each try is timed and counted by itself.
fn around<P: ?Sized>(inner: Arc<P>, calls: &Calls, limit: Duration) -> Arc<RetryingPort<TimedPort<P>>> {
    let timed = TimedPort::new(inner, Timed::new(calls.clone(), limit));
    Arc::new(RetryingPort::new(Arc::new(timed), Retrying::default()))
}
