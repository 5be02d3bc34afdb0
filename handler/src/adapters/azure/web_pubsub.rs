use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::Instant;
use webpubsub::client::{
    Audience, ClientAccess as TokenOf, ClientError, ClientOptions, Credential, ErrorKind, RepeatSends,
    SendOptions, ServiceClient,
};
use webpubsub::connection_string::ConnectionString;
use webpubsub::names::HubName;
use webpubsub::payload::{JsonText, Payload};
use webpubsub::roles::Action;
use webpubsub::token::client_url;

use super::{Http, Identity};
use crate::adapters::client_tokens::{TOKEN_MINUTES, TOO_MANY_GRANTS, lifetime_minutes};
use crate::model::UserId;
use crate::ports::{ClientAccess, Transport, TransportError};

/// Calls about one user's connections that are made at once.
const AT_ONCE: usize = 8;
/// How long a listing may be read on.
const LISTING: Duration = Duration::from_secs(60);

/// Azure Web PubSub, over its REST API.
///
/// Sends are repeated even where the first may have arrived: our frames carry ids, by which clients drop the second copy,
/// and a message that is missing is worse than one that comes twice.
pub struct WebPubSub {
    service: ServiceClient,
    /// Asks once, for whoever wants to know now.
    impatient: ServiceClient,
    /// Where clients connect, if not at the service itself.
    public: Option<String>,
    listing: Mutex<Option<Listing>>,
    token_minutes: u32,
}

/// A group's connections as they were when somebody began to read them.
struct Listing {
    group: String,
    read: Instant,
    ids: Vec<String>,
}

impl WebPubSub {
    /// With the access key of a connection string. Opens no connection yet.
    #[must_use]
    pub fn with_key(connection: &ConnectionString, hub: HubName, http: &Http) -> Self {
        Self::new(&connection.endpoint, hub, Credential::Key(connection.access_key.clone()), http)
    }

    /// With an identity, which needs the role `Web PubSub Service Owner`.
    #[must_use]
    pub fn with_identity(endpoint: &str, hub: HubName, identity: Identity, http: &Http) -> Self {
        Self::new(endpoint, hub, Credential::Tokens(Arc::new(identity)), http)
    }

    fn new(endpoint: &str, hub: HubName, credential: Credential, http: &Http) -> Self {
        let usual = ClientOptions::default();
        let try_timeout = http.service_timeout(usual.try_timeout);
        let options = ClientOptions { repeat_sends: RepeatSends::Always, try_timeout, ..usual };
        let once = ClientOptions { tries: 1, ..options.clone() };
        let service = ServiceClient::new(endpoint, hub, credential, http.of(endpoint).clone(), options);
        Self {
            impatient: service.with_options(once),
            service,
            public: None,
            listing: Mutex::new(None),
            token_minutes: TOKEN_MINUTES,
        }
    }

    /// Clients are sent to `base`, such as `https://chat.example`, where a proxy stands before the service.
    #[must_use]
    pub fn behind(self, base: Option<String>) -> Self {
        Self { public: base, ..self }
    }

    /// Hands out tokens that are valid for so long.
    #[must_use]
    pub const fn with_tokens_of(mut self, minutes: u32) -> Self {
        self.token_minutes = minutes;
        self
    }

    async fn send(&self, to: Audience<'_>, json: &Bytes, excluded: &[String]) -> Result<(), TransportError> {
        let text = std::str::from_utf8(json).map_err(unavailable)?;
        let payload = Payload::Json(JsonText::new(text).map_err(unavailable)?);
        let options = SendOptions { excluded, ..SendOptions::default() };
        self.service.send(to, &payload, &options).await.map_err(failed)
    }

    async fn admit_one(&self, group: &str, connection: &str) -> Result<(), ClientError> {
        match self.service.grant(connection, Action::JoinLeaveGroup, group).await {
            // One that holds all the grants it can has no right of its own and nobody is the worse.
            Err(error) if error.kind() == ErrorKind::Conflict => {
                tracing::debug!(%error, "a connection got no right to join");
            }
            granted => drop(granted?),
        }
        self.service.add_connection_to_group(group, connection).await.map(drop)
    }

    async fn revoke_one(&self, group: &str, connection: &str) -> Result<(), ClientError> {
        match self.service.revoke(connection, Action::JoinLeaveGroup, group).await {
            // It could join again, so it goes altogether; the next one is judged anew.
            Err(error) if error.kind() == ErrorKind::Conflict => {
                self.service.close(Audience::Connection(connection), &[], Some(TOO_MANY_GRANTS)).await
            }
            revoked => revoked,
        }
    }

    /// Some at a time; what fails first ends it, and the caller repeats all.
    async fn for_each<F: Future<Output = Result<(), ClientError>>>(
        connections: &[String],
        change: impl Fn(String) -> F,
    ) -> Result<(), TransportError> {
        let changes = stream::iter(connections.to_vec()).map(change).buffer_unordered(AT_ONCE);
        changes.try_collect::<()>().await.map_err(failed)
    }

    fn listing(&self) -> MutexGuard<'_, Option<Listing>> {
        self.listing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A page of the listing that is being read.
    fn page_of_listing(&self, group: &str, after: &str, limit: usize) -> Option<Vec<String>> {
        let listing = self.listing();
        let listing =
            listing.as_ref().filter(|known| known.group == group && known.read.elapsed() < LISTING)?;
        Some(page(&listing.ids, Some(after), limit))
    }
}

#[async_trait]
impl Transport for WebPubSub {
    async fn publish(&self, group: &str, json: Bytes, excluded: &[String]) -> Result<(), TransportError> {
        self.send(Audience::Group(group), &json, excluded).await
    }

    async fn send_to_connection(&self, connection: &str, json: Bytes) -> Result<(), TransportError> {
        self.send(Audience::Connection(connection), &json, &[]).await
    }

    async fn admit(&self, user: &UserId, group: &str, connections: &[String]) -> Result<(), TransportError> {
        let each = |connection: String| async move { self.admit_one(group, &connection).await };
        Self::for_each(connections, each).await?;
        // Those that only the service knows of: they hear the group, and get the right when they connect anew.
        let added = match unspeakable(user) {
            None => self.service.add_user_to_group(user.as_str(), group).await.map(drop),
            Some(filter) => self.service.add_to_groups(&[group.to_owned()], Some(&filter)).await,
        };
        added.map_err(failed)
    }

    async fn expel(&self, user: &UserId, group: &str, connections: &[String]) -> Result<(), TransportError> {
        // First the right, of all of them, then the membership: in between none can come back.
        let revoke = |connection: String| async move { self.revoke_one(group, &connection).await };
        Self::for_each(connections, revoke).await?;
        let remove = |connection: String| async move {
            self.service.remove_connection_from_group(group, &connection).await
        };
        Self::for_each(connections, remove).await?;
        let removed = match unspeakable(user) {
            None => self.service.remove_user_from_group(user.as_str(), group).await,
            Some(filter) => self.service.remove_from_groups(&[group.to_owned()], Some(&filter)).await,
        };
        removed.map_err(failed)
    }

    async fn close(&self, connection: &str, reason: &str) -> Result<(), TransportError> {
        let whom = Audience::Connection(connection);
        self.service.close(whom, &[], Some(reason)).await.map_err(failed)
    }

    async fn close_all(
        &self,
        user: &UserId,
        connections: &[String],
        reason: &str,
    ) -> Result<(), TransportError> {
        if unspeakable(user).is_none() {
            self.service.close(Audience::User(user.as_str()), &[], Some(reason)).await.map_err(failed)?;
        }
        let closing = stream::iter(connections.to_vec()).map(async |connection| {
            self.service.close(Audience::Connection(&connection), &[], Some(reason)).await
        });
        closing.buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await.map_err(failed)?;
        Ok(())
    }

    /// The service lists in no promised order and cannot begin behind an id, so all are read when the first page is asked
    /// for, and the later pages come from that reading.
    async fn connections_in(
        &self,
        group: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, TransportError> {
        if let Some(page) = after.and_then(|after| self.page_of_listing(group, after, limit)) {
            return Ok(page);
        }
        let all = self.service.connections_in(group, None).all().await.map_err(failed)?;
        let mut ids: Vec<String> = all.into_iter().map(|connection| connection.connection_id).collect();
        ids.sort_unstable();
        ids.dedup();
        let page = page(&ids, after, limit);
        *self.listing() = Some(Listing { group: group.to_owned(), read: Instant::now(), ids });
        Ok(page)
    }

    async fn client_access(
        &self,
        user: &UserId,
        roles: &[String],
        _base: &str,
    ) -> Result<ClientAccess, TransportError> {
        let access = TokenOf {
            user_id: Some(user.as_str().to_owned()),
            roles: roles.to_vec(),
            groups: Vec::new(),
            minutes: lifetime_minutes(self.token_minutes, roles),
        };
        let token = self.service.client_token(&access).await.map_err(failed)?;
        let base = self.public.as_deref().unwrap_or(self.service.endpoint());
        Ok(ClientAccess { url: client_url(base, self.service.hub(), &token) })
    }

    /// Nothing of the REST API counts them.
    fn connections(&self) -> Option<usize> {
        None
    }

    async fn check(&self) -> Result<(), TransportError> {
        self.impatient.check().await.map_err(|error| {
            tracing::warn!("{error}");
            failed(error)
        })
    }
}

/// The filter for a user whose id has no place in a URL's path, where these mean something else.
fn unspeakable(user: &UserId) -> Option<String> {
    matches!(user.as_str(), "." | "..").then(|| format!("userId eq '{user}'"))
}

fn page(ids: &[String], after: Option<&str>, limit: usize) -> Vec<String> {
    let start = after.map_or(0, |after| ids.partition_point(|id| id.as_str() <= after));
    ids.iter().skip(start).take(limit).cloned().collect()
}

fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> TransportError {
    TransportError::unavailable(error)
}

/// With the time the service asked for.
fn failed(error: ClientError) -> TransportError {
    TransportError::Unavailable { retry_after: error.retry_after(), source: Box::new(error) }
}

#[cfg(test)]
#[path = "web_pubsub_tests.rs"]
mod tests;
