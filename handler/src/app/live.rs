use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hub::{Hub, HubOptions, Target};
use webpubsub::key::AccessKey;
use webpubsub::names::HubName;

use super::azure::Azure;
use super::{OpenError, remote};
use crate::adapters::azure::WebPubSub;
use crate::adapters::hub_key;
use crate::adapters::transport::EmbeddedHub;
use crate::calls::Calls;
use crate::config::{Config, ServiceAccess, TransportConfig};
use crate::error::{ApiError, Kind};
use crate::events::Events;
use crate::functions::Statistics;
use crate::ports::{Clock, Ids, Transport};

/// The live side: the hub in this process, or Web PubSub elsewhere.
pub(super) struct Live {
    pub(super) transport: Arc<dyn Transport>,
    /// Any of these may have signed an event that comes over HTTP.
    pub(super) event_keys: Vec<AccessKey>,
    embedded: Option<(Hub, HubName)>,
}

impl Live {
    pub(super) async fn open(
        config: &Config,
        ids: &dyn Ids,
        clock: Arc<dyn Clock>,
        azure: &mut Azure,
        calls: &Calls,
    ) -> Result<Self, OpenError> {
        match &config.transport {
            TransportConfig::Embedded { hub: name, access_key, ack_delay, keep_alive } => {
                let key = key_for(config, access_key.as_ref(), ids).await?;
                let anonymous = config.auth.is_anonymous();
                let hub = Hub::new(HubOptions {
                    anonymous,
                    default_hub: anonymous.then(|| name.clone()),
                    ack_delay: *ack_delay,
                    keep_alive: *keep_alive,
                    ..HubOptions::new(vec![key.clone()])
                });
                let transport = EmbeddedHub::new(hub.clone(), name.clone(), key.clone(), clock)
                    .with_tokens_of(config.token_minutes);
                Ok(Self {
                    transport: Arc::new(transport),
                    event_keys: vec![key],
                    embedded: Some((hub, name.clone())),
                })
            }
            TransportConfig::WebPubSub { hub, access } => {
                let (transport, event_keys) = web_pubsub(hub, access, azure)?;
                let base = config.public_ws_endpoint.as_ref().map(crate::config::WsEndpoint::as_http);
                let transport = remote::transport(
                    Arc::new(transport.behind(base).with_tokens_of(config.token_minutes)),
                    calls,
                );
                Ok(Self { transport, event_keys, embedded: None })
            }
        }
    }

    /// The events of the hub in this process. Those of a service come to `api/eventhandler`.
    pub(super) fn hand_events_to(&self, events: &Events) {
        if let Some((hub, name)) = &self.embedded {
            hub.set_handler(Some(name), Arc::new(events.clone()));
        }
    }

    /// The routes of the hub in this process, if it is there.
    pub(super) fn router(&self) -> Router {
        match &self.embedded {
            Some((hub, _)) => hub.router(),
            None => Router::new().fallback(async || {
                ApiError::new(Kind::NoRoute, "The hub is elsewhere: ask api/negotiate for its address.")
            }),
        }
    }

    /// What is counted live is counted where it costs nothing; a service is not asked.
    pub(super) fn statistics(&self) -> Statistics {
        match self.embedded.clone() {
            Some((hub, name)) => Statistics::new(move |group| hub.exists(&name, Target::Group(group))),
            None => Statistics::new(|_| false),
        }
    }

    /// Tells the clients of the hub in this process to come back elsewhere.
    pub(super) async fn shutdown(&self, within: Duration) {
        if let Some((hub, _)) = &self.embedded {
            hub.shutdown(within).await;
        }
    }
}

fn web_pubsub(
    hub: &HubName,
    access: &ServiceAccess,
    azure: &mut Azure,
) -> Result<(WebPubSub, Vec<AccessKey>), OpenError> {
    let http = azure.http()?;
    Ok(match access {
        ServiceAccess::Key(connection) => {
            (WebPubSub::with_key(connection, hub.clone(), &http), vec![connection.access_key.clone()])
        }
        ServiceAccess::Identity { endpoint, event_key } => (
            WebPubSub::with_identity(endpoint, hub.clone(), azure.identity()?, &http),
            event_key.iter().cloned().collect(),
        ),
    })
}

/// The key that was given, else the one that is kept with the data, else one of this process.
async fn key_for(config: &Config, given: Option<&AccessKey>, ids: &dyn Ids) -> Result<AccessKey, OpenError> {
    Ok(match (given, config.storage.data_dir()) {
        (Some(key), _) => key.clone(),
        (None, Some(data_dir)) => hub_key::load_or_make(data_dir, ids).await?,
        (None, None) => hub_key::make(ids)?,
    })
}
