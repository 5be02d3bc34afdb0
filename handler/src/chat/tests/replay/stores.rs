//! Where the logs are kept. Another adapter joins by another `Store` and its line in `replay`.

use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};

use self::azurite::{azurite, prefix};
use crate::adapters::azure::Http;
use crate::adapters::azure::table::{
    StorageAccount, TableLog, TableMembers, TableRooms, TableSanctions, Tables,
};
use crate::adapters::engine::Engine;
use crate::adapters::file::{FileLog, FileMembers, FileRooms, FileSanctions};
use crate::adapters::memory::{MemoryLog, MemoryMembers, MemoryRooms, MemorySanctions};
use crate::ports::{Log, Members, Rooms, Sanctions};

#[path = "../../../../tests/azurite/azurite.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with test binaries that use other parts of it")]
mod azurite;

/// The stores a room's picture is in.
#[derive(Clone)]
pub(super) struct Stores {
    pub(super) log: Arc<dyn Log>,
    pub(super) rooms: Arc<dyn Rooms>,
    pub(super) members: Arc<dyn Members>,
    pub(super) sanctions: Arc<dyn Sanctions>,
}

pub(super) trait Store {
    /// Empty.
    fn new() -> Self;

    /// The runtime a process on this store lives in.
    fn runtime(&self) -> Runtime;

    /// The stores with what they held when their process died; all their handles are gone by then.
    fn open(&self) -> impl Future<Output = Stores>;
}

/// Outlives the process, as a server of its own would.
pub(super) struct Memory(Stores);

impl Store for Memory {
    fn new() -> Self {
        Self(Stores {
            log: Arc::new(MemoryLog::new()),
            rooms: Arc::new(MemoryRooms::new()),
            members: Arc::new(MemoryMembers::new()),
            sanctions: Arc::new(MemorySanctions::new()),
        })
    }

    fn runtime(&self) -> Runtime {
        Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    }

    async fn open(&self) -> Stores {
        self.0.clone()
    }
}

pub(super) struct File(tempfile::TempDir);

impl Store for File {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Its thread does not know a paused clock.
    fn runtime(&self) -> Runtime {
        Builder::new_current_thread().enable_all().build().unwrap()
    }

    async fn open(&self) -> Stores {
        let engine = Engine::open(self.0.path().join("chat.redb")).await.unwrap();
        Stores {
            log: Arc::new(FileLog::open(&engine).await.unwrap()),
            rooms: Arc::new(FileRooms::open(&engine).await.unwrap()),
            members: Arc::new(FileMembers::open(&engine).await.unwrap()),
            sanctions: Arc::new(FileSanctions::open(&engine).await.unwrap()),
        }
    }
}

/// On Azurite, under a prefix of its own.
pub(super) struct Table(String);

impl Store for Table {
    fn new() -> Self {
        Self(prefix())
    }

    /// Azurite does not know a paused clock.
    fn runtime(&self) -> Runtime {
        Builder::new_current_thread().enable_all().build().unwrap()
    }

    /// Connections are a process's own.
    async fn open(&self) -> Stores {
        let account = StorageAccount::parse(&azurite().connection).unwrap();
        let tables = Tables::new(&account, None, &self.0, &Http::new().unwrap()).unwrap();
        Stores {
            log: Arc::new(TableLog::new(&tables)),
            rooms: Arc::new(TableRooms::new(&tables)),
            members: Arc::new(TableMembers::new(&tables)),
            sanctions: Arc::new(TableSanctions::new(&tables)),
        }
    }
}
