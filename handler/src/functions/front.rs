use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{OnceCell, SetOnce};
use tokio::time::Instant;

use super::Services;
use super::readyz::LastReadiness;
use crate::chat::Limits;
use crate::config::{Config, Place, QueueConfig};
use crate::error::ApiError;
use crate::host_json::{DEFAULT_TIMEOUT, HostJson};

/// How long a request waits for the stores to open. Longer than any open takes; shorter than callers' patience.
const OPENING_PATIENCE: Duration = Duration::from_secs(10);

/// What every route is given: the settings at once, the services as soon as their stores are open. Requests that
/// come earlier wait, so that the port can be bound first.
#[derive(Clone)]
pub struct Front {
    pub config: Arc<Config>,
    pub limits: Arc<Limits>,
    inner: Arc<Inner>,
}

struct Inner {
    services: SetOnce<Services>,
    /// An attempt to open has failed: nobody waits for the next one.
    in_trouble: AtomicBool,
    host_json: OnceCell<HostJson>,
    /// What is wrong with `host.json` was told to the log.
    has_warned: AtomicBool,
    last_readiness: LastReadiness,
    started: Instant,
}

impl Front {
    #[must_use]
    pub fn new(config: Arc<Config>) -> Self {
        let inner = Inner {
            services: SetOnce::new(),
            in_trouble: AtomicBool::new(false),
            host_json: OnceCell::new(),
            has_warned: AtomicBool::new(false),
            last_readiness: LastReadiness::default(),
            started: Instant::now(),
        };
        let limits = Arc::new(Limits::new(&config.rate_limits));
        Self { config, limits, inner: Arc::new(inner) }
    }

    /// Lets the waiting requests in. Later calls change nothing.
    pub fn open(&self, services: Services) {
        let _ = self.inner.services.set(services);
    }

    /// The stores could not be opened and will be tried again: callers are told at once.
    pub fn in_trouble(&self) {
        self.inner.in_trouble.store(true, Ordering::Relaxed);
    }

    /// The services, once they are there; 503 where that takes too long.
    pub(crate) async fn services(&self) -> Result<&Services, ApiError> {
        if let Some(services) = self.inner.services.get() {
            return Ok(services);
        }
        let patience =
            if self.inner.in_trouble.load(Ordering::Relaxed) { Duration::ZERO } else { OPENING_PATIENCE };
        self.services_within(patience).await
    }

    /// As [`Self::services`], for a caller with patience of its own.
    pub(crate) async fn services_within(&self, patience: Duration) -> Result<&Services, ApiError> {
        tokio::time::timeout(patience, self.inner.services.wait())
            .await
            .map_err(|_| ApiError::unavailable("The stores are not open.", Duration::from_secs(1)))
    }

    /// How long the host lets an invocation run.
    pub(crate) async fn function_timeout(&self) -> Duration {
        match &self.config.place {
            Place::Functions { function_timeout: Some(timeout), .. } => *timeout,
            Place::Functions { app_root, .. } => self.host_json(app_root).await.function_timeout,
            Place::Alone { .. } => DEFAULT_TIMEOUT,
        }
    }

    async fn host_json(&self, app_root: &Path) -> &HostJson {
        self.inner.host_json.get_or_init(|| HostJson::read(app_root)).await
    }

    /// How `host.json` breaks the law of the bus; told to the log once.
    pub(crate) async fn host_warnings(&self) -> &[String] {
        let (Place::Functions { app_root, .. }, QueueConfig::ServiceBus { .. }) =
            (&self.config.place, &self.config.queue)
        else {
            return &[];
        };
        let breaches = &self.host_json(app_root).await.breaches;
        if !self.inner.has_warned.swap(true, Ordering::Relaxed) {
            breaches.iter().for_each(|breach| tracing::warn!("{breach}"));
        }
        breaches
    }

    pub(super) fn last_readiness(&self) -> &LastReadiness {
        &self.inner.last_readiness
    }

    /// Since the process took its port.
    pub(crate) fn uptime(&self) -> Duration {
        self.inner.started.elapsed()
    }
}
