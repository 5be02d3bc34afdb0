use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use redb::{Database, DatabaseError, ReadTransaction, ReadableDatabase};

use super::create::make_whole;
use super::error::{closed, panicked};
use crate::ports::StoreError;

/// Pages kept in memory besides the system's own cache. redb's default is 1 GiB.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

type Open = Box<dyn Fn() -> Result<Database, DatabaseError> + Send + Sync>;

pub(super) fn open_file(path: &Path) -> Result<Database, DatabaseError> {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    make_whole(&builder, path)?;
    builder.open(path)
}

/// The place of the open database. Readers share it; only opening and closing take it for themselves.
pub(super) struct Slot {
    database: RwLock<Option<Database>>,
    open: Open,
    commits: AtomicU64,
}

impl Slot {
    pub(super) fn new(open: Open) -> Self {
        Self { database: RwLock::new(None), open, commits: AtomicU64::new(0) }
    }

    pub(super) fn ensure_open(&self) -> Result<(), DatabaseError> {
        if self.with(|_| ()).is_none() {
            *self.database.write().unwrap_or_else(PoisonError::into_inner) = Some((self.open)()?);
        }
        Ok(())
    }

    /// Waits for the reads under way, then closes the file, which frees its lock.
    pub(super) fn close(&self) {
        *self.database.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// `None` when the database is not open.
    pub(super) fn with<T>(&self, act: impl FnOnce(&Database) -> T) -> Option<T> {
        self.database.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(act)
    }

    pub(super) fn read<T>(
        &self,
        act: impl FnOnce(&ReadTransaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.with(|database| {
            let read = || act(&database.begin_read()?);
            catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(panicked()))
        })
        .unwrap_or_else(|| Err(closed()))
    }

    pub(super) fn count_commit(&self) {
        self.commits.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}
