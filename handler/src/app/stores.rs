use std::path::Path;
use std::sync::Arc;

use super::azure::Azure;
use super::{OpenError, remote};
use crate::adapters::LocalLinks;
use crate::adapters::azure::BlobAttachments;
use crate::adapters::azure::table::{
    StorageAccount, TableAudit, TableDeadLetters, TableErasures, TableHandled, TableInbox, TableInvitations,
    TableLeases, TableLog, TableMembers, TableProfiles, TableReviews, TableRooms, TableSanctions,
    TableUploads, TableUsage, Tables,
};
use crate::adapters::engine::Engine;
use crate::adapters::file::{
    FileAttachments, FileAudit, FileDeadLetters, FileErasures, FileHandled, FileInbox, FileInvitations,
    FileLog, FileMembers, FileProfiles, FileReviews, FileRooms, FileSanctions, FileUploads,
};
use crate::adapters::memory::{
    MemoryAttachments, MemoryAudit, MemoryDeadLetters, MemoryErasures, MemoryHandled, MemoryInbox,
    MemoryInvitations, MemoryLeases, MemoryLog, MemoryMembers, MemoryProfiles, MemoryReviews, MemoryRooms,
    MemorySanctions, MemoryUploads, MemoryUsage,
};
use crate::calls::Calls;
use crate::config::{AttachmentsConfig, Config, StorageConfig};
use crate::functions::RemoteStore;
use crate::ports::{
    Attachments, Audit, Clock, DeadLetters, Erasures, Handled, Ids, Inbox, Invitations, Leases, LocalFiles,
    Log, Members, Profiles, Reviews, Rooms, Sanctions, Uploads, Usage,
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
    pub(super) uploads: Arc<dyn Uploads>,
    /// None where no files are taken.
    pub(super) attachments: Option<Arc<dyn Attachments>>,
    /// What stands behind links that lead to this process.
    pub(super) local_files: Option<Arc<dyn LocalFiles>>,
    pub(super) reviews: Arc<dyn Reviews>,
    pub(super) erasures: Arc<dyn Erasures>,
    pub(super) audit: Arc<dyn Audit>,
    /// Where the connections do not end with this process.
    pub(super) leases: Arc<dyn Leases>,
    /// The events of a service that were acted on.
    pub(super) handled: Arc<dyn Handled>,
    /// Where other processes keep the same limits.
    pub(super) usage: Arc<dyn Usage>,
    pub(super) engine: Option<Engine>,
    pub(super) remote: Arc<dyn Fn() -> RemoteStore + Send + Sync>,
}

impl Stores {
    pub(super) async fn open(
        config: &Config,
        clock: &Arc<dyn Clock>,
        ids: &Arc<dyn Ids>,
        azure: &mut Azure,
        calls: &Calls,
    ) -> Result<Self, OpenError> {
        let links = || LocalLinks::new(ids.as_ref(), config.public_base(), Arc::clone(clock));
        let takes_files = config.attachments.is_some();
        match &config.storage {
            StorageConfig::Memory => Ok(Self::memory(takes_files.then(links))),
            StorageConfig::File { data_dir } => Self::file(data_dir, takes_files.then(links), ids).await,
            StorageConfig::Table { account, prefix, .. } => {
                let stores = Self::table(account, prefix, config.attachments.as_ref(), clock, azure)?;
                Ok(remote::stores(stores, calls))
            }
        }
    }

    /// With files where there are links to them.
    fn memory(links: Option<LocalLinks>) -> Self {
        let files = links.map(|links| Arc::new(MemoryAttachments::new(links)));
        Self {
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
            uploads: Arc::new(MemoryUploads::new()),
            attachments: files.clone().map(|files| files as Arc<dyn Attachments>),
            local_files: files.map(|files| files as Arc<dyn LocalFiles>),
            leases: Arc::new(MemoryLeases::new()),
            handled: Arc::new(MemoryHandled::new()),
            usage: Arc::new(MemoryUsage::new()),
            engine: None,
            remote: alone(),
        }
    }

    /// As [`Self::memory`], in a folder.
    async fn file(data_dir: &Path, links: Option<LocalLinks>, ids: &Arc<dyn Ids>) -> Result<Self, OpenError> {
        let engine = Engine::open(data_dir.join("chat.redb")).await?;
        let files = match links {
            Some(links) => {
                let folder = data_dir.join("attachments");
                Some(Arc::new(FileAttachments::open(folder, links, Arc::clone(ids)).await?))
            }
            None => None,
        };
        Ok(Self {
            log: Arc::new(FileLog::open(&engine).await?),
            rooms: Arc::new(FileRooms::open(&engine).await?),
            members: Arc::new(FileMembers::open(&engine).await?),
            sanctions: Arc::new(FileSanctions::open(&engine).await?),
            invitations: Arc::new(FileInvitations::open(&engine).await?),
            profiles: Arc::new(FileProfiles::open(&engine).await?),
            inbox: Arc::new(FileInbox::open(&engine).await?),
            letters: Arc::new(FileDeadLetters::open(&engine).await?),
            uploads: Arc::new(FileUploads::open(&engine).await?),
            attachments: files.clone().map(|files| files as Arc<dyn Attachments>),
            local_files: files.map(|files| files as Arc<dyn LocalFiles>),
            reviews: Arc::new(FileReviews::open(&engine).await?),
            erasures: Arc::new(FileErasures::open(&engine).await?),
            audit: Arc::new(FileAudit::open(&engine).await?),
            leases: Arc::new(MemoryLeases::new()),
            handled: Arc::new(FileHandled::open(&engine).await?),
            usage: Arc::new(MemoryUsage::new()),
            engine: Some(engine),
            remote: alone(),
        })
    }

    /// In a storage account: nothing is asked of it yet.
    fn table(
        account: &StorageAccount,
        prefix: &str,
        files: Option<&AttachmentsConfig>,
        clock: &Arc<dyn Clock>,
        azure: &mut Azure,
    ) -> Result<Self, OpenError> {
        let identity = if account.needs_identity() { Some(azure.identity()?) } else { None };
        let http = azure.http()?;
        let tables = Tables::new(account, identity.clone(), prefix, &http)?;
        let attachments: Option<Arc<dyn Attachments>> = match files {
            Some(files) => {
                let (container, clock) = (&files.container, Arc::clone(clock));
                Some(Arc::new(BlobAttachments::new(account, identity, container, &http, clock)?))
            }
            None => None,
        };
        let log = TableLog::new(&tables);
        Ok(Self {
            log: Arc::new(log.clone()),
            rooms: Arc::new(TableRooms::new(&tables)),
            members: Arc::new(TableMembers::new(&tables)),
            sanctions: Arc::new(TableSanctions::new(&tables)),
            invitations: Arc::new(TableInvitations::new(&tables)),
            profiles: Arc::new(TableProfiles::new(&tables)),
            inbox: Arc::new(TableInbox::new(&tables)),
            letters: Arc::new(TableDeadLetters::new(&tables)),
            uploads: Arc::new(TableUploads::new(&tables)),
            attachments,
            local_files: None,
            reviews: Arc::new(TableReviews::new(&tables)),
            erasures: Arc::new(TableErasures::new(&tables)),
            audit: Arc::new(TableAudit::new(&tables)),
            leases: Arc::new(TableLeases::new(&tables)),
            handled: Arc::new(TableHandled::new(&tables)),
            usage: Arc::new(TableUsage::new(&tables)),
            engine: None,
            remote: Arc::new(move || RemoteStore { conflicts: log.conflicts(), requests: tables.requests() }),
        })
    }

    pub(super) async fn close(self) {
        if let Some(engine) = self.engine {
            engine.close().await;
        }
    }
}

/// Nobody else writes where the store is this process's own.
fn alone() -> Arc<dyn Fn() -> RemoteStore + Send + Sync> {
    Arc::new(RemoteStore::default)
}
