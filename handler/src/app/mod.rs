//! Everything is put together here. This is the only module that names both ports and adapters.

mod queues;
mod stores;
#[cfg(feature = "testing")]
mod testing;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use self::queues::Queues;
use self::stores::Stores;
use hub::{Hub, HubOptions, Target};
use webpubsub::key::AccessKey;
use webpubsub::names::HubName;

use crate::adapters::clock::{RandomIds, SystemClock};
use crate::adapters::hub_key;
use crate::adapters::memory::MemoryLeases;
use crate::adapters::transport::EmbeddedHub;
use crate::chat::{Chat, ChatOptions, Ports, Refused};
use crate::config::{AuthConfig, Config, QueueConfig, RoomsOnJoin, StorageConfig, TransportConfig};
use crate::events::Events;
use crate::functions::{Services, Statistics};
use crate::ports::{Clock, Ids, StoreError};
use crate::repairs::Repairs;
use crate::worker::{Worker, WorkerOptions};

/// What runs beside the routes and has to be stopped.
pub struct Running {
    chat: Arc<Chat>,
    hub: Hub,
    worker: Option<Worker>,
    repairs: Repairs,
    stores: Stores,
    queues: Queues,
}

/// Something could not be opened. Trying again may help.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the stores cannot be opened")]
    Store(#[from] StoreError),
    #[error("DATA_DIR {} cannot be made", .path.display())]
    DataDir { path: PathBuf, source: std::io::Error },
    #[error("the hub's key cannot be read or made in DATA_DIR")]
    Key(#[from] hub_key::KeyError),
    #[error("the room `general` cannot be made: {0}")]
    General(#[from] Refused),
}

/// Opens the stores, starts the hub and, where nobody else receives, the worker.
pub async fn open(config: &Config) -> Result<(Services, Running), OpenError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ids: Arc<dyn Ids> = Arc::new(RandomIds);
    make_data_dir(&config.storage).await?;
    let stores = Stores::open(&config.storage).await?;
    #[cfg(feature = "testing")]
    let (stores, set_stores_away) = testing::breakable(stores);
    let queues = Queues::open(&config.queue, Arc::clone(&clock)).await?;
    let (hub, name, key) = start_hub(config, ids.as_ref()).await?;
    let transport = EmbeddedHub::new(hub.clone(), name.clone(), key.clone(), Arc::clone(&clock));
    let ports = Ports {
        log: Arc::clone(&stores.log),
        rooms: Arc::clone(&stores.rooms),
        members: Arc::clone(&stores.members),
        sanctions: Arc::clone(&stores.sanctions),
        invitations: Arc::clone(&stores.invitations),
        profiles: Arc::clone(&stores.profiles),
        leases: Arc::new(MemoryLeases::new()),
        inbox: Arc::clone(&stores.inbox),
        letters: Arc::clone(&stores.letters),
        queue: Arc::clone(&queues.sender),
        transport: Arc::new(transport),
        clock,
        ids: Arc::clone(&ids),
    };
    let options = ChatOptions {
        anonymous: config.auth == AuthConfig::Anonymous,
        create_on_join: config.rooms_on_join == RoomsOnJoin::Create,
    };
    let chat = Arc::new(Chat::new(ports.clone(), options).with_admins(&config.admins));
    chat.ensure_general().await?;
    let events = Events::new(Arc::clone(&chat), ids, &config.admins);
    hub.set_handler(Some(&name), Arc::new(events.clone()));
    let start = |deliveries| Worker::start(Arc::clone(&chat), deliveries, WorkerOptions::default());
    let worker = queues.deliveries.clone().map(start);
    let repairs = Repairs::start(Arc::clone(&chat));
    let live = hub.clone();
    let services = Services {
        chat: Arc::clone(&chat),
        ports,
        events,
        hub: hub.router(),
        event_keys: vec![key],
        statistics: Statistics::new(move |group| live.exists(&name, Target::Group(group))),
        #[cfg(feature = "testing")]
        set_stores_away,
    };
    Ok((services, Running { chat, hub, worker, repairs, stores, queues }))
}

/// Port → adapter, for the first log line.
#[must_use]
pub fn wiring(config: &Config) -> [(&'static str, &'static str); 3] {
    let transport = match config.transport {
        TransportConfig::Embedded { .. } => "embedded hub",
    };
    let storage = match config.storage {
        StorageConfig::Memory => "memory",
        StorageConfig::File { .. } => "file",
        StorageConfig::Table { .. } => "Azure Table",
    };
    let queue = match &config.queue {
        QueueConfig::Embedded { data_dir: None } => "embedded, in memory",
        QueueConfig::Embedded { data_dir: Some(_) } => "embedded, in a file",
        QueueConfig::ServiceBus { .. } => "Service Bus",
    };
    [("transport", transport), ("storage", storage), ("queue", queue)]
}

impl Running {
    /// Tells the clients to come back elsewhere while the last requests end, finishes the messages in hand, closes the
    /// files; each step at most for its share of `grace`. What is not finished then is found at the next start.
    pub async fn stop(self, requests: impl Future<Output = ()>, grace: Duration) {
        let share = grace / 3;
        let (requests, ()) = tokio::join!(tokio::time::timeout(share, requests), self.hub.shutdown(share));
        if requests.is_err() {
            tracing::warn!("requests under way were not finished in time");
        }
        self.repairs.stop().await;
        if let Some(worker) = self.worker
            && tokio::time::timeout(share, worker.stop()).await.is_err()
        {
            tracing::warn!(
                "messages in hand were not finished in time; they are delivered after the next start"
            );
        }
        let files = async {
            self.chat.flush().await;
            self.queues.close().await;
            self.stores.close().await;
        };
        if tokio::time::timeout(share, files).await.is_err() {
            tracing::warn!("the files were not closed in time; nothing that was accepted is lost");
        }
    }
}

async fn make_data_dir(config: &StorageConfig) -> Result<(), OpenError> {
    let Some(data_dir) = config.data_dir() else { return Ok(()) };
    let made = tokio::fs::create_dir_all(data_dir).await;
    made.map_err(|source| OpenError::DataDir { path: data_dir.clone(), source })
}

async fn start_hub(config: &Config, ids: &dyn Ids) -> Result<(Hub, HubName, AccessKey), OpenError> {
    let TransportConfig::Embedded { hub: name, access_key, ack_delay, keep_alive } = &config.transport;
    let key = match (access_key, config.storage.data_dir()) {
        (Some(key), _) => key.clone(),
        (None, Some(data_dir)) => hub_key::load_or_make(data_dir, ids).await?,
        (None, None) => hub_key::make(ids)?,
    };
    let anonymous = config.auth == AuthConfig::Anonymous;
    let options = HubOptions {
        anonymous,
        default_hub: anonymous.then(|| name.clone()),
        ack_delay: *ack_delay,
        keep_alive: *keep_alive,
        ..HubOptions::new(vec![key.clone()])
    };
    Ok((Hub::new(options), name.clone(), key))
}
