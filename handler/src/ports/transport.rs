use async_trait::async_trait;
use bytes::Bytes;

use crate::model::UserId;

/// The live side: Web PubSub, or the embedded hub.
///
/// # Contract
/// `Ok` means the transport took the request, not that anybody received it. Two `publish` calls to one group that do not
/// overlap reach each member in that order. Every call may be repeated; a repeat of `publish` is a second delivery.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends one JSON object to the connections of a group, but for the excluded ones.
    async fn publish(&self, group: &str, json: Bytes, excluded: &[String]) -> Result<(), TransportError>;

    /// Sends one JSON object to one connection.
    async fn send_to_connection(&self, connection: &str, json: Bytes) -> Result<(), TransportError>;

    /// Puts every connection of the user into the group and lets each of them join and leave it by itself.
    /// A user without connections is `Ok`.
    async fn admit(&self, user: &UserId, group: &str) -> Result<(), TransportError>;

    /// Takes from every connection of the user the right to join the group, then takes it out.
    async fn expel(&self, user: &UserId, group: &str) -> Result<(), TransportError>;

    /// A URL with a token for one client, valid for an hour at most. `base` is the public base URL as the caller of
    /// negotiate sees us (`http://host:port`), for transports that live at our own address.
    async fn client_access(
        &self,
        user: &UserId,
        roles: &[String],
        base: &str,
    ) -> Result<ClientAccess, TransportError>;

    /// Open connections, where the transport can tell at no cost.
    fn connections(&self) -> Option<usize>;

    /// Whether the transport answers.
    async fn check(&self) -> Result<(), TransportError>;
}

/// What `negotiate` hands out. Its `Debug` hides the token.
#[derive(Clone)]
pub struct ClientAccess {
    pub url: String,
}

impl std::fmt::Debug for ClientAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let base = self.url.split('?').next().unwrap_or_default();
        write!(f, "ClientAccess({base}?…)")
    }
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    #[error("the transport is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}
