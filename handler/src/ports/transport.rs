use std::time::Duration;

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
    /// Sends one JSON object, of a mebibyte at most, to the connections of a group, but for the excluded ones.
    async fn publish(&self, group: &str, json: Bytes, excluded: &[String]) -> Result<(), TransportError>;

    /// Sends one JSON object, of a mebibyte at most, to one connection. One that is not there is `Ok`.
    async fn send_to_connection(&self, connection: &str, json: Bytes) -> Result<(), TransportError>;

    /// Puts the user's connections into the group and lets each of them join and leave it by itself. `connections` are
    /// those the caller knows of; a transport that can see the user's others includes them. One that is not there is
    /// passed over.
    async fn admit(&self, user: &UserId, group: &str, connections: &[String]) -> Result<(), TransportError>;

    /// Takes from the same connections the right to join the group, then takes them out. After `Ok` none of them is in the
    /// group, nor can bring itself back.
    async fn expel(&self, user: &UserId, group: &str, connections: &[String]) -> Result<(), TransportError>;

    /// Ends a connection. One that is not there is `Ok`.
    async fn close(&self, connection: &str, reason: &str) -> Result<(), TransportError>;

    /// Ends the user's connections: `connections`, which the caller knows of, and those that the transport can see. After `Ok`
    /// none of them is open; one that opens meanwhile may be.
    async fn close_all(
        &self,
        user: &UserId,
        connections: &[String],
        reason: &str,
    ) -> Result<(), TransportError>;

    /// The connections in a group by ascending id, those with id > `after`, at most `limit`. Which is in the group during
    /// the whole of a listing is listed.
    async fn connections_in(
        &self,
        group: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, TransportError>;

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
    /// Worth another try, after `retry_after` where the service named a time.
    #[error("the transport is unavailable")]
    Unavailable {
        retry_after: Option<Duration>,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl TransportError {
    pub fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable { retry_after: None, source: source.into() }
    }

    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let Self::Unavailable { retry_after, .. } = self;
        *retry_after
    }
}
