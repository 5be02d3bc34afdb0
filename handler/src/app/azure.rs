use std::sync::Arc;
use std::time::Duration;

use super::OpenError;
use crate::adapters::azure::{Http, Identity};
use crate::config::{Config, IdentityConfig};
use crate::ports::Clock;

/// What the adapters to Azure share: connections, and who we are. Each is made when it is first asked for, so that a
/// program without Azure has neither.
pub(super) struct Azure {
    config: IdentityConfig,
    clock: Arc<dyn Clock>,
    timeout: Option<Duration>,
    http: Option<Http>,
    identity: Option<Identity>,
}

impl Azure {
    pub(super) fn new(config: &Config, clock: Arc<dyn Clock>) -> Self {
        let (identity, timeout) = (config.identity.clone(), config.azure_timeout);
        Self { config: identity, clock, timeout, http: None, identity: None }
    }

    pub(super) fn http(&mut self) -> Result<Http, OpenError> {
        if let Some(http) = &self.http {
            return Ok(http.clone());
        }
        let http = Http::new()?.with_service_timeout(self.timeout);
        self.http = Some(http.clone());
        Ok(http)
    }

    /// The one identity of this process.
    pub(super) fn identity(&mut self) -> Result<Identity, OpenError> {
        if let Some(identity) = &self.identity {
            return Ok(identity.clone());
        }
        let clock = Arc::clone(&self.clock);
        let identity = match self.config.clone() {
            IdentityConfig::Managed { client_id } => {
                Identity::managed(client_id.as_deref(), self.http()?, clock)
            }
            IdentityConfig::Developer => Identity::developer(clock),
        };
        let identity = identity.map_err(|error| OpenError::Identity(Box::new(error)))?;
        self.identity = Some(identity.clone());
        Ok(identity)
    }
}
