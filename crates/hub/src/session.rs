//! The life of a connection: its sockets one after the other, and its end.

use std::cell::RefCell;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use hyper::upgrade::OnUpgrade;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use webpubsub::close::Close;

use crate::connection::Connection;
use crate::delivery::{Attempt, Attention, Caller, Pushed, Socket};
use crate::flusher::flush;
use crate::hub::Hub;
use crate::requests;
use crate::upgrade;
use crate::ws::{Decoder, Incoming, ProtocolError};

/// What `disconnected` says when a client was lost.
pub(crate) const CONNECTION_ENDED: &str = "The connection ended.";
const RECOVERY_EXPIRED: &str = "The connection recovery timeout expired.";

/// Lives a registered connection to its end. On the one way everybody takes: upgrade, serve, leave the hub, close the
/// socket, tell the handler.
pub(crate) async fn run(hub: Hub, connection: Arc<Connection>, upgrade: OnUpgrade) {
    let (ended, connected) = match Box::pin(upgrade::socket(upgrade)).await {
        Some(socket) => {
            // A new connection takes its first socket in any case.
            let _ = connection.delivery().attach(socket, Attempt::FIRST);
            let connected = raise_connected(&hub, &connection);
            (live(&hub, &connection).await, connected)
        }
        None => (Ended::lost(), None),
    };
    hub.unregister(&connection);
    Box::pin(conclude(&hub, &connection, ended, connected)).await;
}

/// How a connection ended: why, and the socket that is still open for the client to read the rest.
struct Ended {
    reason: String,
    read: Option<OwnedReadHalf>,
}

impl Ended {
    fn lost() -> Self {
        Self { reason: CONNECTION_ENDED.to_owned(), read: None }
    }
}

/// Why a socket is served no longer.
enum Left {
    /// It broke, or the client ended it without a close frame.
    Lost,
    /// Another one took over.
    Replaced,
    /// A close frame is on its way to the client.
    Closing(OwnedReadHalf),
}

async fn live(hub: &Hub, connection: &Arc<Connection>) -> Ended {
    loop {
        let arrived = connection.delivery().take_arrived();
        let Some(socket) = arrived else {
            match Box::pin(await_return(hub, connection)).await {
                Some(reason) => return Ended { reason, read: None },
                None => continue,
            }
        };
        let write = socket.write.clone();
        let left = attached(hub, connection, socket).await;
        if let Left::Closing(_) = left {
            let session_ends = connection.delivery().session_end().is_some();
            if session_ends {
                hub.unregister(connection);
            }
            let _ = Box::pin(timeout(hub.options().linger, flush_out(hub, connection, &write))).await;
        }
        drop(write);
        let session_end = {
            let mut delivery = connection.delivery();
            delivery.detach();
            delivery.session_end().map(str::to_owned)
        };
        match (left, session_end) {
            (Left::Closing(read), Some(reason)) => return Ended { reason, read: Some(read) },
            (_, Some(reason)) => return Ended { reason, read: None },
            (Left::Closing(read), None) => {
                hub.inner.tasks.spawn(drain(read, hub.options().linger));
            }
            (Left::Lost, None) if !connection.is_reliable() => return Ended::lost(),
            (Left::Lost | Left::Replaced, None) => {}
        }
    }
}

/// Waits for a lost client to come back. `Some` is why the connection is over instead.
async fn await_return(hub: &Hub, connection: &Connection) -> Option<String> {
    let deadline = Instant::now() + hub.options().recovery_window;
    loop {
        {
            let delivery = connection.delivery();
            if let Some(reason) = delivery.session_end() {
                return Some(reason.to_owned());
            }
            if delivery.is_attached() {
                return None;
            }
        }
        tokio::select! {
            () = connection.wake.notified() => {}
            () = tokio::time::sleep_until(deadline) => {
                let mut delivery = connection.delivery();
                if !delivery.is_attached() {
                    delivery.close(Close::NotRecovered, RECOVERY_EXPIRED.to_owned(), None);
                }
            }
        }
    }
}

/// Reads and handles what comes over one socket, and writes when it was full.
async fn attached(hub: &Hub, connection: &Arc<Connection>, socket: Socket) -> Left {
    let Socket { read, write, early } = socket;
    let mut decoder = Decoder::new(hub.options().max_message);
    if !early.is_empty() {
        let mut received = Received::default();
        received.decode(&mut decoder, &early);
        handle(hub, connection, received).await;
    }
    drop(early);
    loop {
        flush_own(hub, connection);
        let attention = connection.delivery().attention();
        match attention {
            Attention::Replaced => return Left::Replaced,
            Attention::Closing => return Left::Closing(read),
            Attention::Broken => return Left::Lost,
            Attention::Blocked | Attention::None => {}
        }
        tokio::select! {
            biased;
            () = connection.wake.notified() => {}
            ready = write.writable(), if attention == Attention::Blocked => {
                if ready.is_err() {
                    return Left::Lost;
                }
                flush_unblocked(hub, connection);
            }
            ready = read.readable() => {
                if ready.is_err() {
                    return Left::Lost;
                }
                let received = receive(&read, &mut decoder);
                connection.pulse().heard();
                let lost = received.lost;
                handle(hub, connection, received).await;
                if lost {
                    return Left::Lost;
                }
            }
        }
    }
}

/// What one read brought.
#[derive(Default)]
struct Received {
    messages: Vec<Incoming>,
    error: Option<ProtocolError>,
    /// The client's end of the stream, or a broken socket.
    lost: bool,
}

impl Received {
    fn decode(&mut self, decoder: &mut Decoder, bytes: &[u8]) {
        self.error = decoder.feed(bytes, &mut self.messages).err();
    }
}

thread_local! {
    /// What is being read. A buffer of the thread, so that no idle connection owns one.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; 64 * 1024].into());
}

fn receive(read: &OwnedReadHalf, decoder: &mut Decoder) -> Received {
    let mut received = Received::default();
    received.lost = !read_some(read, |bytes| received.decode(decoder, bytes));
    received
}

/// One read that does not wait. `false` if nothing will ever come.
fn read_some(read: &OwnedReadHalf, take: impl FnOnce(&[u8])) -> bool {
    SCRATCH.with_borrow_mut(|scratch| match read.try_read(scratch) {
        Ok(0) => false,
        Ok(length) => {
            take(&scratch[..length]);
            true
        }
        Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
    })
}

/// Handles messages in order, each to its end before the next one; what a closing connection sends is not read.
async fn handle(hub: &Hub, connection: &Arc<Connection>, received: Received) {
    let arrived_at = Instant::now();
    for message in received.messages {
        // Boxed, so that a connection at rest does not keep room for what its requests may need.
        Box::pin(requests::handle(hub, connection, message, arrived_at)).await;
        if connection.delivery().attention() == Attention::Closing {
            return;
        }
        // One read may hold thousands of requests, none of which has to wait for anything.
        tokio::task::coop::consume_budget().await;
    }
    if let Some(error) = received.error {
        let close = match error {
            ProtocolError::Frame => Close::BrokenFrame,
            ProtocolError::Utf8 => Close::MalformedFrame,
            ProtocolError::TooLarge => Close::FrameTooLarge,
        };
        close_own(hub, connection, close);
    }
}

/// Ends the connection for a fault of its client, unless the client has come back on another socket meanwhile.
pub(crate) fn close_own(hub: &Hub, connection: &Arc<Connection>, close: Close) {
    let pushed = {
        let mut delivery = connection.delivery();
        if delivery.is_replaced() {
            return;
        }
        delivery.close(close, close.reason().to_owned(), None)
    };
    if pushed == Pushed::Schedule {
        hub.inner.flusher.schedule(connection);
    }
}

/// Writes what waits, in the connection's own task. Has to be called before the task waits for anything.
pub(crate) fn flush_own(hub: &Hub, connection: &Arc<Connection>) {
    if flush(connection, Caller::Task) {
        hub.inner.flusher.schedule(connection);
    }
}

/// Writes on when a full socket has room again.
fn flush_unblocked(hub: &Hub, connection: &Arc<Connection>) {
    if flush(connection, Caller::TaskUnblocked) {
        hub.inner.flusher.schedule(connection);
    }
}

/// Waits until the close frame is written, or cannot be.
async fn flush_out(hub: &Hub, connection: &Arc<Connection>, write: &OwnedWriteHalf) {
    loop {
        flush_own(hub, connection);
        let blocked = {
            let delivery = connection.delivery();
            if delivery.is_flushed() || delivery.is_broken() || delivery.attention() == Attention::Replaced {
                return;
            }
            delivery.blocked_on().is_some()
        };
        tokio::select! {
            () = connection.wake.notified() => {}
            ready = write.writable(), if blocked => {
                if ready.is_err() {
                    return;
                }
                flush_unblocked(hub, connection);
            }
        }
    }
}

/// Waits for something else while the socket is looked after.
pub(crate) async fn flushing<T>(hub: &Hub, connection: &Arc<Connection>, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    loop {
        flush_own(hub, connection);
        let blocked = connection.delivery().blocked_on();
        tokio::select! {
            biased;
            result = &mut work => return result,
            () = connection.wake.notified() => {}
            () = writable(blocked.as_deref()) => flush_unblocked(hub, connection),
        }
    }
}

async fn writable(socket: Option<&OwnedWriteHalf>) {
    match socket {
        // A broken socket is found by the write.
        Some(socket) => drop(socket.writable().await),
        None => std::future::pending().await,
    }
}

/// Reads and forgets until the client has closed too, so that closing the socket with unread bytes does not destroy
/// what is still on its way to the client.
pub(crate) async fn drain(read: OwnedReadHalf, patience: Duration) {
    let rest = async { while read.readable().await.is_ok() && read_some(&read, |_| ()) {} };
    let _ = timeout(patience, rest).await;
}

fn raise_connected(hub: &Hub, connection: &Arc<Connection>) -> Option<JoinHandle<()>> {
    let handler = hub.handler(&connection.hub.name)?;
    let context = connection.next_event();
    Some(hub.inner.tasks.spawn(async move {
        // A panic of the handler has been reported by the panic hook and must not go further.
        let _ = AssertUnwindSafe(handler.connected(context)).catch_unwind().await;
    }))
}

async fn conclude(hub: &Hub, connection: &Connection, ended: Ended, connected: Option<JoinHandle<()>>) {
    let farewell = async {
        if let Some(read) = ended.read {
            drain(read, hub.options().linger).await;
        }
    };
    let tell = async {
        if let Some(connected) = connected {
            let _ = connected.await;
        }
        if let Some(handler) = hub.handler(&connection.hub.name) {
            let context = connection.next_event();
            let _ = AssertUnwindSafe(handler.disconnected(context, ended.reason)).catch_unwind().await;
        }
    };
    tokio::join!(farewell, tell);
}
