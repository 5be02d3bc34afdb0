use std::sync::Arc;

use super::azure::Azure;
use super::{OpenError, remote};
use crate::adapters::azure::table::{
    TableAudit, TableDeadLetters, TableErasures, TableInbox, TableInvitations, TableLeases, TableLog,
    TableMembers, TableProfiles, TableReviews, TableRooms, TableSanctions, Tables,
};
use crate::adapters::engine::Engine;
use crate::adapters::file::{
    FileAudit, FileDeadLetters, FileErasures, FileInbox, FileInvitations, FileLog, FileMembers, FileProfiles,
    FileReviews, FileRooms, FileSanctions,
};
use crate::adapters::memory::{
    MemoryAudit, MemoryDeadLetters, MemoryErasures, MemoryInbox, MemoryInvitations, MemoryLeases, MemoryLog,
    MemoryMembers, MemoryProfiles, MemoryReviews, MemoryRooms, MemorySanctions,
};
use crate::calls::Calls;
use crate::config::StorageConfig;
use crate::ports::{
    Audit, DeadLetters, Erasures, Inbox, Invitations, Leases, Log, Members, Profiles, Reviews, Rooms,
    Sanctions,
};

/// The storing ports, and what is closed in the end.
pub(super) struct Stores {
    pub(super) log: Arc<dyn Log>,
    pub(super) rooms: Arc<dyn Rooms>,
    pub(super) members: Arc<dyn Members>,
    pub(super) sanctions: Arc<dyn Sanctions>,
    pub(super) invitations: Arc<dyn Invitations>,
    pub(super) profiles: Arc<dyn Profiles>,
    pub(super) inbox: Arc<dyn Inbox>,
    pub(super) letters: Arc<dyn DeadLetters>,
    pub(super) reviews: Arc<dyn Reviews>,
    pub(super) erasures: Arc<dyn Erasures>,
    pub(super) audit: Arc<dyn Audit>,
    /// Where the connections do not end with this process.
    pub(super) leases: Arc<dyn Leases>,
    pub(super) engine: Option<Engine>,
    /// How often another process's append came before one of ours, so far.
    pub(super) conflicts: Arc<dyn Fn() -> u64 + Send + Sync>,
}

impl Stores {
    pub(super) async fn open(
        config: &StorageConfig,
        azure: &mut Azure,
        calls: &Calls,
    ) -> Result<Self, OpenError> {
        match config {
            StorageConfig::Memory => Ok(Self {
                log: Arc::new(MemoryLog::new()),
                rooms: Arc::new(MemoryRooms::new()),
                members: Arc::new(MemoryMembers::new()),
                sanctions: Arc::new(MemorySanctions::new()),
                invitations: Arc::new(MemoryInvitations::new()),
                profiles: Arc::new(MemoryProfiles::new()),
                inbox: Arc::new(MemoryInbox::new()),
                letters: Arc::new(MemoryDeadLetters::new()),
                reviews: Arc::new(MemoryReviews::new()),
                erasures: Arc::new(MemoryErasures::new()),
                audit: Arc::new(MemoryAudit::new()),
                leases: Arc::new(MemoryLeases::new()),
                engine: None,
                conflicts: alone(),
            }),
            StorageConfig::File { data_dir } => {
                let engine = Engine::open(data_dir.join("chat.redb")).await?;
                Ok(Self {
                    log: Arc::new(FileLog::open(&engine).await?),
                    rooms: Arc::new(FileRooms::open(&engine).await?),
                    members: Arc::new(FileMembers::open(&engine).await?),
                    sanctions: Arc::new(FileSanctions::open(&engine).await?),
                    invitations: Arc::new(FileInvitations::open(&engine).await?),
                    profiles: Arc::new(FileProfiles::open(&engine).await?),
                    inbox: Arc::new(FileInbox::open(&engine).await?),
                    letters: Arc::new(FileDeadLetters::open(&engine).await?),
                    reviews: Arc::new(FileReviews::open(&engine).await?),
                    erasures: Arc::new(FileErasures::open(&engine).await?),
                    audit: Arc::new(FileAudit::open(&engine).await?),
                    leases: Arc::new(MemoryLeases::new()),
                    engine: Some(engine),
                    conflicts: alone(),
                })
            }
            StorageConfig::Table { account, prefix, .. } => {
                let identity = if account.needs_identity() { Some(azure.identity()?) } else { None };
                let tables = Tables::new(account, identity, prefix, &azure.http()?)?;
                let log = TableLog::new(&tables);
                let stores = Self {
                    log: Arc::new(log.clone()),
                    rooms: Arc::new(TableRooms::new(&tables)),
                    members: Arc::new(TableMembers::new(&tables)),
                    sanctions: Arc::new(TableSanctions::new(&tables)),
                    invitations: Arc::new(TableInvitations::new(&tables)),
                    profiles: Arc::new(TableProfiles::new(&tables)),
                    inbox: Arc::new(TableInbox::new(&tables)),
                    letters: Arc::new(TableDeadLetters::new(&tables)),
                    reviews: Arc::new(TableReviews::new(&tables)),
                    erasures: Arc::new(TableErasures::new(&tables)),
                    audit: Arc::new(TableAudit::new(&tables)),
                    leases: Arc::new(TableLeases::new(&tables)),
                    engine: None,
                    conflicts: Arc::new(move || log.conflicts()),
                };
                Ok(remote::stores(stores, calls))
            }
        }
    }

    pub(super) async fn close(self) {
        if let Some(engine) = self.engine {
            engine.close().await;
        }
    }
}

/// Nobody else writes where the store is this process's own.
fn alone() -> Arc<dyn Fn() -> u64 + Send + Sync> {
    Arc::new(|| 0)
}
