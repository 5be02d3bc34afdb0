use std::sync::Arc;
use std::time::Duration;

use tokio::sync::SetOnce;
use tokio::time::Instant;

use super::Services;
use crate::config::Config;
use crate::error::ApiError;

/// How long a request waits for the stores to open. Longer than any open takes; shorter than callers' patience.
const OPENING_PATIENCE: Duration = Duration::from_secs(15);

/// What every route is given: the settings at once, the services as soon as their stores are open. Requests that
/// come earlier wait, so that the port can be bound first.
#[derive(Clone)]
pub struct Front {
    pub config: Arc<Config>,
    services: Arc<SetOnce<Services>>,
    started: Instant,
}

impl Front {
    #[must_use]
    pub fn new(config: Arc<Config>) -> Self {
        Self { config, services: Arc::new(SetOnce::new()), started: Instant::now() }
    }

    /// Lets the waiting requests in. Later calls change nothing.
    pub fn open(&self, services: Services) {
        let _ = self.services.set(services);
    }

    /// The services, once they are there; 503 where that takes too long.
    pub(crate) async fn services(&self) -> Result<&Services, ApiError> {
        if let Some(services) = self.services.get() {
            return Ok(services);
        }
        tokio::time::timeout(OPENING_PATIENCE, self.services.wait())
            .await
            .map_err(|_| ApiError::unavailable("The stores are not open yet.", Duration::from_secs(1)))
    }

    /// Since the process took its port.
    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }
}
