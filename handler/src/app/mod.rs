//! Everything is put together here. This is the only module that names both ports and adapters.

mod azure;
mod live;
mod moderation;
mod queues;
mod remote;
mod sign_in;
mod stores;
#[cfg(feature = "testing")]
mod testing;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use self::azure::Azure;
use self::live::Live;
use self::queues::Queues;
use self::stores::Stores;

use crate::adapters::azure::HttpUnavailable;
use crate::adapters::clock::{RandomIds, SystemClock};
use crate::adapters::hub_key;
use crate::adapters::memory::MemoryLeases;
use crate::calls::Calls;
use crate::chat::{Chat, ChatOptions, Exchange, Limits, Ports, Refused};
use crate::config::{
    Config, EventTokens, ModerationConfig, QueueConfig, RoomsOnJoin, StorageConfig, TransportConfig,
};
use crate::events::Events;
use crate::functions::{EventCopies, EventDoor, Services};
use crate::ports::{Clock, Ids, StoreError, Tokens};
use crate::repairs::Repairs;
use crate::worker::{Worker, WorkerOptions};

/// What runs beside the routes and has to be stopped.
pub struct Running {
    chat: Arc<Chat>,
    live: Live,
    worker: Option<Worker>,
    repairs: Option<Repairs>,
    exchange: Option<Exchange>,
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
    #[error("no connections to Azure can be made")]
    Http(#[from] HttpUnavailable),
    #[error("the identity cannot be used")]
    Identity(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the room `general` cannot be made: {0}")]
    General(#[from] Refused),
}

/// Opens the stores, starts the hub and, where nobody else receives, the worker.
pub async fn open(config: &Config, limits: &Arc<Limits>) -> Result<(Services, Running), OpenError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ids: Arc<dyn Ids> = Arc::new(RandomIds);
    make_data_dir(config).await?;
    let calls = Calls::default();
    let mut azure = Azure::new(config, Arc::clone(&clock));
    let stores = Stores::open(config, &clock, &ids, &mut azure, &calls).await?;
    #[cfg(feature = "testing")]
    let (stores, set_stores_away) = testing::breakable(stores);
    let queues = Queues::open(&config.queue, Arc::clone(&clock), &mut azure, &calls).await?;
    let live = Live::open(config, ids.as_ref(), Arc::clone(&clock), &mut azure, &calls).await?;
    let moderator = moderation::open(&config.moderation, &mut azure, &calls)?;
    let ports = Ports {
        log: Arc::clone(&stores.log),
        rooms: Arc::clone(&stores.rooms),
        members: Arc::clone(&stores.members),
        sanctions: Arc::clone(&stores.sanctions),
        invitations: Arc::clone(&stores.invitations),
        profiles: Arc::clone(&stores.profiles),
        // They live as long as the connections do, which end with a hub in this process.
        leases: match config.transport {
            TransportConfig::Embedded { .. } => Arc::new(MemoryLeases::new()),
            TransportConfig::WebPubSub { .. } => Arc::clone(&stores.leases),
        },
        inbox: Arc::clone(&stores.inbox),
        letters: Arc::clone(&stores.letters),
        uploads: Arc::clone(&stores.uploads),
        attachments: stores.attachments.clone(),
        reviews: Arc::clone(&stores.reviews),
        moderator,
        erasures: Arc::clone(&stores.erasures),
        handled: Arc::clone(&stores.handled),
        audit: Arc::clone(&stores.audit),
        queue: Arc::clone(&queues.sender),
        transport: Arc::clone(&live.transport),
        clock: Arc::clone(&clock),
        ids: Arc::clone(&ids),
    };
    let sign_in = sign_in::open(&config.auth, &mut azure, Arc::clone(&ports.clock))?;
    let event_door = event_door(config, &live, &mut azure, Arc::clone(&clock))?;
    let options = ChatOptions {
        anonymous: config.auth.is_anonymous(),
        create_on_join: config.rooms_on_join == RoomsOnJoin::Create,
        moderated: config.moderation.is_on(),
        retention_days: config.retention_days,
    };
    let rules = config.attachments.as_ref().map(|files| files.rules.clone()).unwrap_or_default();
    let chat = Chat::new(ports.clone(), options)
        .with_admins(&config.admins)
        .with_limits(Arc::clone(limits))
        .with_audit_days(config.audit_days)
        .with_attachments(rules);
    let chat = Arc::new(chat);
    chat.ensure_general().await?;
    let events = Events::new(Arc::clone(&chat), ids, &config.admins, config.auth.is_anonymous());
    live.hand_events_to(&events);
    let work = WorkerOptions { is_under_host: config.under_host(), ..WorkerOptions::default() };
    let start = |deliveries| Worker::start(Arc::clone(&chat), deliveries, work);
    let worker = queues.deliveries.clone().map(start);
    let repairs = (!config.has_timer()).then(|| Repairs::start(Arc::clone(&chat)));
    // Where the store is this process's own there is nobody to tell.
    let exchange = (config.is_stored_elsewhere() && !limits.are_off()).then(|| {
        Exchange::start(
            Arc::clone(limits),
            Arc::clone(&stores.usage),
            Arc::clone(&ports.clock),
            ports.ids.token(),
        )
    });
    let services = Services {
        chat: Arc::clone(&chat),
        ports,
        sign_in,
        events,
        hub: live.router(),
        event_door,
        event_copies: EventCopies::new(Arc::clone(&stores.handled), clock),
        statistics: live.statistics().with_remote_store(Arc::clone(&stores.remote)),
        local_files: stores.local_files.clone(),
        calls,
        warnings: queues.warnings.clone(),
        #[cfg(feature = "testing")]
        set_stores_away,
    };
    Ok((services, Running { chat, live, worker, repairs, exchange, stores, queues }))
}

/// What proves an event that comes over HTTP. Nothing is asked of an issuer yet.
fn event_door(
    config: &Config,
    live: &Live,
    azure: &mut Azure,
    clock: Arc<dyn Clock>,
) -> Result<EventDoor, OpenError> {
    let tokens = match &config.events.tokens {
        Some(EventTokens { rules, keys, senders }) => {
            let tokens: Arc<dyn Tokens> = Arc::new(sign_in::verifier(rules, keys, azure, clock)?);
            Some((tokens, senders.clone()))
        }
        None => None,
    };
    Ok(EventDoor {
        origins: config.events.origins.clone(),
        keys: live.event_keys.iter().chain(&config.events.keys).cloned().collect(),
        code: config.event_handler_key.clone(),
        tokens,
        is_on_azure: config.on_azure,
    })
}

/// Port → adapter, for the first log line.
#[must_use]
pub fn wiring(config: &Config) -> [(&'static str, &'static str); 4] {
    let transport = match config.transport {
        TransportConfig::Embedded { .. } => "embedded hub",
        TransportConfig::WebPubSub { .. } => "Web PubSub",
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
    let moderator = match config.moderation {
        ModerationConfig::Off => "rooms alone",
        ModerationConfig::Local(_) => "local",
        ModerationConfig::Azure(..) => "Azure AI Content Safety",
        ModerationConfig::Both(..) => "local, then Azure AI Content Safety",
    };
    [("transport", transport), ("storage", storage), ("queue", queue), ("moderator", moderator)]
}

impl Running {
    /// Tells the clients to come back elsewhere while the last requests end, finishes the messages in hand, closes the
    /// files; each step at most for its share of `grace`. What is not finished then is found at the next start.
    pub async fn stop(self, requests: impl Future<Output = ()>, grace: Duration) {
        let share = grace / 3;
        let (requests, ()) = tokio::join!(tokio::time::timeout(share, requests), self.live.shutdown(share));
        if requests.is_err() {
            tracing::warn!("requests under way were not finished in time");
        }
        if let Some(repairs) = self.repairs {
            repairs.stop().await;
        }
        if let Some(exchange) = self.exchange {
            exchange.stop().await;
        }
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

/// Only where something will lie in it: beside tables, that is an embedded queue or hub.
async fn make_data_dir(config: &Config) -> Result<(), OpenError> {
    let Some(data_dir) = config.storage.data_dir() else { return Ok(()) };
    let is_remote = matches!(config.storage, StorageConfig::Table { .. })
        && matches!(config.queue, QueueConfig::ServiceBus { .. })
        && matches!(config.transport, TransportConfig::WebPubSub { .. });
    if is_remote {
        return Ok(());
    }
    let made = tokio::fs::create_dir_all(data_dir).await;
    made.map_err(|source| OpenError::DataDir { path: data_dir.clone(), source })
}
