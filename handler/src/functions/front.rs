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
use crate::host_json;

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
    function_timeout: OnceCell<Duration>,
    host_warnings: OnceCell<Vec<String>>,
    last_readiness: LastReadiness,
    started: Instant,
}

impl Front {
    #[must_use]
    pub fn new(config: Arc<Config>) -> Self {
        let inner = Inner {
            services: SetOnce::new(),
            in_trouble: AtomicBool::new(false),
            function_timeout: OnceCell::new(),
            host_warnings: OnceCell::new(),
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
        let read = || async {
            match &self.config.place {
                Place::Functions { function_timeout: Some(timeout), .. } => *timeout,
                Place::Functions { app_root, .. } => host_json::function_timeout(app_root).await,
                Place::Alone { .. } => host_json::DEFAULT_TIMEOUT,
            }
        };
        *self.inner.function_timeout.get_or_init(read).await
    }

    /// How `host.json` breaks the law of the bus; told to the log once.
    pub(crate) async fn host_warnings(&self) -> &[String] {
        let read = || async {
            let (Place::Functions { app_root, .. }, QueueConfig::ServiceBus { .. }) =
                (&self.config.place, &self.config.queue)
            else {
                return Vec::new();
            };
            let breaches = host_json::breaches(app_root).await;
            for breach in &breaches {
                tracing::warn!("{breach}");
            }
            breaches
        };
        self.inner.host_warnings.get_or_init(read).await
    }

    pub(super) fn last_readiness(&self) -> &LastReadiness {
        &self.inner.last_readiness
    }

    /// Since the process took its port.
    pub(crate) fn uptime(&self) -> Duration {
        self.inner.started.elapsed()
    }
}
