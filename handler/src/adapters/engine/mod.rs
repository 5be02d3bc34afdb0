//! The embedded database: one redb file, one writer thread, many writes to a commit.
//! `docs/decisions/001-embedded-engine.md` says why it is this one, with figures.

mod create;
mod error;
mod group;
mod job;
mod slot;

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use redb::{ReadTransaction, WriteTransaction};
use tokio::sync::{mpsc, oneshot};

use self::error::{closed, unavailable};
use self::job::Write;
use self::slot::Slot;
use crate::ports::StoreError;

pub(super) const STORE: &str = "the embedded database";

/// Writes that may wait for the writer thread; further callers wait for a place.
const WAITING_WRITES: usize = 1024;

/// How long `open` waits for the file's lock: a predecessor that was told to stop, or killed, is gone by then.
const LOCK_WAIT: Duration = Duration::from_secs(3);
const LOCK_RETRY: Duration = Duration::from_millis(20);

/// A handle of one database file; clones share it. The file is closed when the last one is dropped, after the writes
/// that were waiting.
///
/// # Contract
/// * `Ok` of [`write`](Self::write) means the transaction is on disk (fsync) and visible to every later read.
/// * A write is atomic: all it did is there, or nothing of it. Writes take effect one after another.
/// * Reads see one committed state and never wait for a writer.
/// * After an I/O error (a full disk, say) the file is opened anew before the next write, so recovery needs no restart.
#[derive(Clone)]
pub struct Engine {
    writer: mpsc::Sender<Message>,
    slot: Arc<Slot>,
}

enum Message {
    Write(Box<dyn job::Job>),
    Close(oneshot::Sender<()>),
}

impl Engine {
    /// Opens the file, making it where there is none. Quick after a crash too, whatever its size.
    ///
    /// Waits up to 3 s while another process holds the file; then, and for a file that is not ours to read, an error.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref().to_owned();
        let opening = Slot::new(Box::new(move || slot::open_file(&path)));
        Self::start(opening).await
    }

    async fn start(slot: Slot) -> Result<Self, StoreError> {
        let slot = Arc::new(slot);
        let deadline = tokio::time::Instant::now() + LOCK_WAIT;
        loop {
            let opening = slot.clone();
            let opened =
                tokio::task::spawn_blocking(move || opening.ensure_open()).await.map_err(unavailable)?;
            match opened {
                Ok(()) => break,
                Err(redb::DatabaseError::DatabaseAlreadyOpen) if tokio::time::Instant::now() < deadline => {
                    tokio::time::sleep(LOCK_RETRY).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        let (writer, messages) = mpsc::channel(WAITING_WRITES);
        let writing = slot.clone();
        std::thread::Builder::new()
            .name("engine-writer".to_owned())
            .spawn(move || group::run(&writing, messages))
            .map_err(unavailable)?;
        Ok(Self { writer, slot })
    }

    /// Runs `act` in a write transaction that it shares with other waiting writes, and answers once that is on disk.
    ///
    /// `act` runs on the writer thread, and more than once if a write beside it fails: it must have no effect but on
    /// the transaction, and should do no work that can be done before. `Err` undoes what it wrote; a panic is an `Err`.
    /// A refusal found before anything was written belongs into `T`: it costs the writes beside it nothing.
    ///
    /// Dropping the future before the writer has the write drops the write; later it is carried out all the same.
    pub async fn write<T, F>(&self, act: F) -> Result<T, StoreError>
    where
        F: Fn(&WriteTransaction) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static,
    {
        let (tell, answer) = oneshot::channel();
        // A caller that went away has nothing to hear.
        let done = move |found| drop(tell.send(found));
        self.submit(act, done).await?;
        answer.await.map_err(|_| closed())?
    }

    /// Like [`write`](Self::write), but answers as soon as the write waits for its turn, and calls `done` with the
    /// outcome on the writer thread, in the order of the writes. For what must follow a commit even where the caller
    /// goes away. `done` must be short; where the engine closes first it is dropped without being called.
    pub async fn submit<T, F, D>(&self, act: F, done: D) -> Result<(), StoreError>
    where
        F: Fn(&WriteTransaction) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static,
        D: FnOnce(Result<T, StoreError>) + Send + 'static,
    {
        self.writer.send(Message::Write(Box::new(Write::new(act, done)))).await.map_err(|_| closed())
    }

    /// Runs `act` on the present state, on the caller's own thread. For a few rows: it takes microseconds, milliseconds
    /// when a page must come from disk. What grows with the data belongs into [`scan`](Self::scan).
    ///
    /// A table that was never opened by a write does not exist yet: make all tables when opening the engine.
    pub fn read<T>(
        &self,
        act: impl FnOnce(&ReadTransaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.slot.read(act)
    }

    /// Like [`read`](Self::read), on a thread that may block.
    pub async fn scan<T, F>(&self, act: F) -> Result<T, StoreError>
    where
        F: FnOnce(&ReadTransaction) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static,
    {
        let slot = self.slot.clone();
        tokio::task::spawn_blocking(move || slot.read(act)).await.map_err(unavailable)?
    }

    /// Carries out the writes that wait, then closes the file and frees its lock. Every later call, of every clone, is
    /// an error.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.writer.send(Message::Close(done)).await.is_ok() {
            // An error means the writer is gone, and the file with it.
            let _ = closed.await;
        }
    }

    /// Commits since the start: fewer than writes when writes shared them.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.slot.commits()
    }
}
