//! What is set for Azure's services: how they are reached, and who we are to them.

use webpubsub::connection_string::ConnectionString as ServiceString;

use super::parse::is_authority;
use super::reader::Reader;
use super::{IdentityConfig, QueueConfig, ServiceAccess, StorageConfig, TransportConfig};
use crate::adapters::azure::{BusAccess, BusHost, ConnectionString};

pub(super) const CONNECTION: &str = "ServiceBusConnection";
pub(super) const IDENTITY: &str = "ServiceBusConnection__fullyQualifiedNamespace";

/// An endpoint, for an identity, wins over a connection string, whose key then verifies events alone.
pub(super) fn service_access(r: &mut Reader<'_>) -> Option<ServiceAccess> {
    const ENDPOINT: &str = "WEBPUBSUB_ENDPOINT";
    const CONNECTION_STRING: &str = "WEBPUBSUB_CONNECTION_STRING";
    if !r.is_set(ENDPOINT) && !r.is_set(CONNECTION_STRING) {
        r.mistake(ENDPOINT, "or WEBPUBSUB_CONNECTION_STRING must be set for TRANSPORT_MODE=webpubsub");
    }
    let connection =
        r.parse(CONNECTION_STRING, |text| text.parse::<ServiceString>().map_err(|why| why.to_string()));
    if r.is_set(ENDPOINT) {
        let endpoint = r.parse(ENDPOINT, service_endpoint)?;
        let event_key = connection.map(|connection| connection.access_key);
        return Some(ServiceAccess::Identity { endpoint, event_key });
    }
    connection.map(ServiceAccess::Key)
}

/// An identity's token is shown over TLS, or to a double of the service on this machine.
fn service_endpoint(text: &str) -> Result<String, String> {
    let text = text.trim_end_matches('/');
    let is_local = |authority: &str| {
        let authority = authority.parse::<http::uri::Authority>();
        authority.is_ok_and(|it| matches!(it.host(), "localhost" | "127.0.0.1" | "[::1]"))
    };
    let allowed = match text.split_once("://") {
        Some(("https", authority)) => is_authority(authority),
        Some(("http", authority)) => is_authority(authority) && is_local(authority),
        _ => false,
    };
    if allowed {
        Ok(text.to_owned())
    } else {
        Err("must be https://host, such as https://example.webpubsub.azure.com".to_owned())
    }
}

/// On Azure nobody is signed in.
pub(super) fn identity_must_be_managed(
    r: &mut Reader<'_>,
    identity: &IdentityConfig,
    transport: Option<&TransportConfig>,
    storage: Option<&StorageConfig>,
    queue: Option<&QueueConfig>,
) {
    let live =
        matches!(transport, Some(TransportConfig::WebPubSub { access: ServiceAccess::Identity { .. }, .. }));
    let tables = matches!(storage, Some(StorageConfig::Table { account, .. }) if account.needs_identity());
    let bus = matches!(queue, Some(QueueConfig::ServiceBus { access: BusAccess::Identity(_), .. }));
    if *identity == IdentityConfig::Developer && (live || tables || bus) {
        r.mistake("USE_MANAGED_IDENTITY", "must be true on Azure, where nobody is signed in");
    }
}

pub(super) fn identity(r: &mut Reader<'_>) -> IdentityConfig {
    if r.choice("USE_MANAGED_IDENTITY", &[("true", true), ("false", false)]) == Some(true) {
        IdentityConfig::Managed { client_id: r.text("AZURE_CLIENT_ID") }
    } else {
        IdentityConfig::Developer
    }
}

/// A connection string wins over a host, as it does in the Functions host.
pub(super) fn bus_access(r: &mut Reader<'_>) -> Option<BusAccess> {
    if !r.is_set(CONNECTION) {
        if !r.is_set(IDENTITY) {
            r.mistake(CONNECTION, "must be set for QUEUE_MODE=servicebus, or its __fullyQualifiedNamespace");
        }
        let host = r.parse(IDENTITY, |text| BusHost::parse(text).map_err(|why| why.to_string()));
        return host.map(BusAccess::Identity);
    }
    let connection = r.parse(CONNECTION, |text| {
        let connection = ConnectionString::parse(text).map_err(|why| why.to_string())?;
        match connection.entity_path {
            Some(_) => {
                Err("must be of the namespace: with an EntityPath its key is for one queue or topic"
                    .to_owned())
            }
            None => Ok(connection),
        }
    });
    connection.map(BusAccess::Key)
}
