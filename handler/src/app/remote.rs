//! What stands around ports whose adapters call other machines: every call ends in time and is counted, and what may be
//! repeated is, where the adapter's own client does not do so.

use std::sync::Arc;
use std::time::Duration;

use super::stores::Stores;
use crate::adapters::retrying::{Retrying, RetryingPort};
use crate::adapters::timed::{Timed, TimedPort};
use crate::calls::Calls;
use crate::ports::Attachments;

/// Behind its first try a call of a store is tried again for so long. That is longer than a read may take, so that a lost one is
/// read again; a transaction may take longer, and whoever wants it written asks again by themselves.
const STORE_AGAIN: Duration = Duration::from_secs(7);
/// The same for a send. It is longer than one try, so that a lost one is sent again, and a sender hears of a bus that does not
/// answer within 5 s.
const QUEUE_AGAIN: Duration = Duration::from_secs(3);
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
        log: around(stores.log, calls, LOG, STORE_AGAIN),
        rooms: around(stores.rooms, calls, STORE, STORE_AGAIN),
        members: around(stores.members, calls, STORE, STORE_AGAIN),
        sanctions: around(stores.sanctions, calls, STORE, STORE_AGAIN),
        invitations: around(stores.invitations, calls, STORE, STORE_AGAIN),
        profiles: around(stores.profiles, calls, STORE, STORE_AGAIN),
        inbox: around(stores.inbox, calls, STORE, STORE_AGAIN),
        letters: around(stores.letters, calls, STORE, STORE_AGAIN),
        uploads: around(stores.uploads, calls, LOG, STORE_AGAIN),
        attachments: stores
            .attachments
            .map(|files| -> Arc<dyn Attachments> { around(files, calls, STORE, STORE_AGAIN) }),
        local_files: stores.local_files,
        reviews: around(stores.reviews, calls, STORE, STORE_AGAIN),
        erasures: around(stores.erasures, calls, STORE, STORE_AGAIN),
        audit: around(stores.audit, calls, STORE, STORE_AGAIN),
        leases: around(stores.leases, calls, STORE, STORE_AGAIN),
        handled: around(stores.handled, calls, STORE, STORE_AGAIN),
        usage: around(stores.usage, calls, STORE, STORE_AGAIN),
        engine: stores.engine,
        remote: stores.remote,
    }
}

/// A queue of another machine.
pub(super) fn queue<P: ?Sized>(inner: Arc<P>, calls: &Calls) -> Arc<RetryingPort<TimedPort<P>>> {
    around(inner, calls, QUEUE, QUEUE_AGAIN)
}

/// A transport of another machine. Its client tries again by itself, so nothing here does.
pub(super) fn transport<P: ?Sized>(inner: Arc<P>, calls: &Calls) -> Arc<TimedPort<P>> {
    Arc::new(TimedPort::new(inner, Timed::new(calls.clone(), TRANSPORT)))
}

/// A moderator of another machine. Nobody who waits for it has the time for a second try.
pub(super) fn moderator<P: ?Sized>(inner: Arc<P>, calls: &Calls, limit: Duration) -> Arc<TimedPort<P>> {
    Arc::new(TimedPort::new(inner, Timed::new(calls.clone(), limit)))
}

/// Each try is timed and counted by itself.
fn around<P: ?Sized>(
    inner: Arc<P>,
    calls: &Calls,
    limit: Duration,
    again: Duration,
) -> Arc<RetryingPort<TimedPort<P>>> {
    let timed = TimedPort::new(inner, Timed::new(calls.clone(), limit));
    Arc::new(RetryingPort::new(Arc::new(timed), Retrying::within(again)))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use http::StatusCode;
    use tokio::net::TcpListener;

    use super::*;
    use crate::adapters::azure::table::{StorageAccount, TableLog, Tables};
    use crate::adapters::azure::{BusEntities, ConnectionString, Http, ServiceBus};
    use crate::adapters::clock::SystemClock;
    use crate::contract::data::conversation;
    use crate::ports::{Entity, Log, Outgoing, Queue};

    /// Never says a word to its first request, and answers the others so.
    async fn deaf_at_first(status: StatusCode) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (host, asked) = (listener.local_addr().unwrap().to_string(), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&asked);
        let answer = move || {
            let is_first = count.fetch_add(1, Ordering::Relaxed) == 0;
            async move { if is_first { std::future::pending().await } else { status } }
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        (host, asked)
    }

    async fn a_lost_send_is_repeated() {
        let (host, asked) = deaf_at_first(StatusCode::CREATED).await;
        let text = format!("Endpoint=sb://{host};SharedAccessKeyName=Root;SharedAccessKey=a2V5");
        let entities = BusEntities { queue: "queue", topic: "topic", subscription: "subscription" };
        let connection = ConnectionString::parse(&text).unwrap();
        let http = Http::new().unwrap();
        let bus = ServiceBus::with_key(connection, entities, Arc::new(SystemClock), &http).unwrap();
        let message = Outgoing {
            entity: Entity::Queue,
            message_id: "1".into(),
            session_id: "tea".into(),
            body: bytes::Bytes::from_static(b"{}"),
            properties: Default::default(),
        };
        queue(Arc::new(bus), &Calls::default()).send(message).await.unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    async fn a_lost_read_is_repeated() {
        let (host, asked) = deaf_at_first(StatusCode::NOT_FOUND).await;
        let text = format!("AccountName=chat;AccountKey=a2V5;TableEndpoint=http://{host}/chat");
        let account = StorageAccount::parse(&text).unwrap();
        let tables = Tables::new(&account, None, "x", &Http::new().unwrap()).unwrap();
        let log = around(Arc::new(TableLog::new(&tables)), &Calls::default(), LOG, STORE_AGAIN);
        assert_eq!(log.head(&conversation("tea")).await.unwrap(), None);
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    /// With the times that the program has when nobody sets any; it takes as long as one try.
    #[tokio::test]
    async fn what_was_lost_once_costs_time_and_no_refusal() {
        tokio::join!(a_lost_send_is_repeated(), a_lost_read_is_repeated());
    }
}
