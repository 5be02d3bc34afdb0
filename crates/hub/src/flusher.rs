//! Writing: every connection with frames to send is on a list, and one task per list writes to one after the other.
//!
//! A broadcast wakes each task once. While a task works through its list, further broadcasts only add frames to
//! connections that are on it already, and those leave in one write.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use crate::connection::{Connection, lock};
use crate::delivery::{Caller, Written};

/// After this many writes a flusher lets other tasks of its thread run.
const WRITES_PER_TURN: usize = 128;

/// The lists of all flusher tasks.
pub(crate) struct Flusher {
    lists: Box<[Arc<List>]>,
}

#[derive(Default)]
struct List {
    scheduled: Mutex<Vec<Arc<Connection>>>,
    wake: Notify,
    stopped: AtomicBool,
}

/// Collects what one broadcast scheduled; dropping it wakes the flushers concerned.
pub(crate) struct Batch<'a> {
    flusher: &'a Flusher,
    touched: u64,
}

impl Flusher {
    /// At most 64 lists.
    pub(crate) fn new(lists: usize) -> Self {
        Self { lists: (0..lists.clamp(1, 64)).map(|_| Arc::default()).collect() }
    }

    /// Starts the tasks; they end with the flusher.
    pub(crate) fn start(&self) {
        for list in &self.lists {
            tokio::spawn(work(list.clone()));
        }
    }

    pub(crate) fn batch(&self) -> Batch<'_> {
        Batch { flusher: self, touched: 0 }
    }

    pub(crate) fn schedule(&self, connection: &Arc<Connection>) {
        self.batch().add(connection);
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        for list in &self.lists {
            list.stopped.store(true, Ordering::Release);
            list.wake.notify_one();
        }
    }
}

impl Batch<'_> {
    pub(crate) fn add(&mut self, connection: &Arc<Connection>) {
        let place = connection.id.place(self.flusher.lists.len());
        lock(&self.flusher.lists[place].scheduled).push(connection.clone());
        self.touched |= 1 << place;
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        for (place, list) in self.flusher.lists.iter().enumerate() {
            if self.touched & 1 << place != 0 {
                list.wake.notify_one();
            }
        }
    }
}

async fn work(list: Arc<List>) {
    let mut connections = Vec::new();
    let mut again = Vec::new();
    while !list.stopped.load(Ordering::Acquire) {
        std::mem::swap(&mut connections, &mut *lock(&list.scheduled));
        if connections.is_empty() && again.is_empty() {
            connections = Vec::new();
            list.wake.notified().await;
            continue;
        }
        connections.append(&mut again);
        for (count, connection) in connections.drain(..).enumerate() {
            if flush(&connection, Caller::Flusher) {
                again.push(connection);
            }
            if count % WRITES_PER_TURN == WRITES_PER_TURN - 1 {
                tokio::task::yield_now().await;
            }
        }
        if !again.is_empty() {
            tokio::task::yield_now().await;
        }
    }
}

thread_local! {
    /// What is being written. A buffer of the thread, so that no connection needs one.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Makes at most one write of what waits for a connection, without ever waiting for its socket. `true` if there is more
/// to write and the connection has to go on a list.
pub(crate) fn flush(connection: &Connection, caller: Caller) -> bool {
    let written = SCRATCH.with_borrow_mut(|scratch| {
        let (socket, generation) = connection.delivery().begin_write(caller, scratch)?;
        let result = socket.try_write(scratch);
        Some(connection.delivery().end_write(generation, scratch.len(), result))
    });
    // The task itself looks at the delivery after a write; waking it then would make it spin.
    if written == Some(Written::Wake) && caller == Caller::Flusher {
        connection.wake.notify_one();
    }
    written == Some(Written::More)
}
