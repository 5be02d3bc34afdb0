use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hub::{Hub, OutMessage, PermissionError, Selection, Target};
use webpubsub::key::AccessKey;
use webpubsub::names::HubName;
use webpubsub::payload::{JsonText, Payload};
use webpubsub::roles::Action;
use webpubsub::token::{ClientToken, client_url};

use crate::adapters::client_tokens::{TOKEN_MINUTES, TOO_MANY_GRANTS, lifetime_minutes};
use crate::model::UserId;
use crate::ports::{ClientAccess, Clock, Transport, TransportError};

/// The hub in this process. Its calls end at once: whoever is slow has a queue of their own.
pub struct EmbeddedHub {
    hub: Hub,
    name: HubName,
    key: AccessKey,
    clock: Arc<dyn Clock>,
    token_minutes: u32,
}

impl EmbeddedHub {
    #[must_use]
    pub fn new(hub: Hub, name: HubName, key: AccessKey, clock: Arc<dyn Clock>) -> Self {
        Self { hub, name, key, clock, token_minutes: TOKEN_MINUTES }
    }

    /// Hands out tokens that are valid for so long.
    #[must_use]
    pub const fn with_tokens_of(mut self, minutes: u32) -> Self {
        self.token_minutes = minutes;
        self
    }

    fn send(&self, to: Target<'_>, json: &Bytes, excluded: &[String]) -> Result<(), TransportError> {
        let text = std::str::from_utf8(json).map_err(unavailable)?;
        let message = OutMessage::new(Payload::Json(JsonText::new(text).map_err(unavailable)?));
        self.hub.send(&self.name, to, &message, &Selection { excluded, ..Selection::default() });
        Ok(())
    }

    /// The hub's own view and the caller's: a connection may be in one of them only, while it opens.
    fn connections_of(&self, user: &UserId, named: &[String]) -> BTreeSet<String> {
        let seen = self.hub.connections_of(&self.name, user.as_str());
        seen.into_iter().chain(named.iter().cloned()).collect()
    }
}

#[async_trait]
impl Transport for EmbeddedHub {
    async fn publish(&self, group: &str, json: Bytes, excluded: &[String]) -> Result<(), TransportError> {
        self.send(Target::Group(group), &json, excluded)
    }

    async fn send_to_connection(&self, connection: &str, json: Bytes) -> Result<(), TransportError> {
        self.send(Target::Connection(connection), &json, &[])
    }

    async fn admit(&self, user: &UserId, group: &str, connections: &[String]) -> Result<(), TransportError> {
        for connection in self.connections_of(user, connections) {
            // One that closed meanwhile, or holds all the grants it can, has no right of its own and nobody is the worse.
            if let Err(error) = self.hub.grant(&self.name, &connection, Action::JoinLeaveGroup, Some(group)) {
                tracing::debug!(%error, "a connection got no right to join");
            }
            let who = Target::Connection(&connection);
            self.hub.add_to_group(&self.name, who, group, &Selection::default());
        }
        Ok(())
    }

    async fn expel(&self, user: &UserId, group: &str, connections: &[String]) -> Result<(), TransportError> {
        for connection in self.connections_of(user, connections) {
            let who = Target::Connection(&connection);
            match self.hub.revoke(&self.name, &connection, Action::JoinLeaveGroup, Some(group)) {
                // It could join again, so it goes altogether; the next one is judged anew.
                Err(PermissionError::TooMany) => {
                    self.hub.close(&self.name, who, &[], Some(TOO_MANY_GRANTS));
                }
                Ok(()) | Err(PermissionError::NoConnection) => {}
            }
            self.hub.remove_from_group(&self.name, who, group, &Selection::default());
        }
        Ok(())
    }

    async fn close(&self, connection: &str, reason: &str) -> Result<(), TransportError> {
        self.hub.close(&self.name, Target::Connection(connection), &[], Some(reason));
        Ok(())
    }

    async fn close_all(
        &self,
        user: &UserId,
        connections: &[String],
        reason: &str,
    ) -> Result<(), TransportError> {
        for connection in self.connections_of(user, connections) {
            self.hub.close(&self.name, Target::Connection(&connection), &[], Some(reason));
        }
        Ok(())
    }

    async fn connections_in(
        &self,
        group: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, TransportError> {
        let found = self.hub.connections_in(&self.name, group, after, limit);
        Ok(found.into_iter().map(|connection| connection.connection_id).collect())
    }

    async fn client_access(
        &self,
        user: &UserId,
        roles: &[String],
        base: &str,
    ) -> Result<ClientAccess, TransportError> {
        let now = self.clock.now().millis() / 1000;
        let minutes = lifetime_minutes(self.token_minutes, roles);
        let mut token = ClientToken::new(base, &self.name, now, u64::from(minutes) * 60);
        token.user_id = Some(user.as_str().to_owned());
        token.roles = roles.to_vec();
        let token = token.sign(&self.key).map_err(unavailable)?;
        Ok(ClientAccess { url: client_url(base, &self.name, &token) })
    }

    fn connections(&self) -> Option<usize> {
        Some(self.hub.connection_count())
    }

    async fn check(&self) -> Result<(), TransportError> {
        Ok(())
    }
}

fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> TransportError {
    TransportError::unavailable(error)
}

#[cfg(test)]
mod tests {
    use hub::HubOptions;
    use tokio::net::TcpListener;

    use super::*;
    use crate::adapters::clock::SystemClock;
    use crate::contract::transport::Reachable;

    async fn reachable() -> Reachable<EmbeddedHub> {
        let key = AccessKey::new("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH").unwrap();
        let hub = Hub::new(HubOptions::new(vec![key.clone()]));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = hub.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let name = HubName::new("chat").unwrap();
        Reachable { transport: EmbeddedHub::new(hub, name, key, Arc::new(SystemClock)), base }
    }

    crate::contract_suite!(transport, |_dir| reachable().await);

    mod timed {
        use super::*;
        use crate::adapters::timed::TimedPort;
        use crate::adapters::wrapped::tests::timed;

        async fn reachable() -> Reachable<TimedPort<EmbeddedHub>> {
            let Reachable { transport, base } = super::reachable().await;
            Reachable { transport: TimedPort::new(Arc::new(transport), timed()), base }
        }

        crate::contract_suite!(transport, |_dir| reachable().await);
    }

    mod retrying {
        use super::*;
        use crate::adapters::faulty::Faulty;
        use crate::adapters::retrying::RetryingPort;
        use crate::adapters::wrapped::tests::retrying;

        async fn reachable() -> Reachable<RetryingPort<Faulty<EmbeddedHub>>> {
            let Reachable { transport, base } = super::reachable().await;
            Reachable { transport: retrying(Arc::new(transport)), base }
        }

        crate::contract_suite!(transport, |_dir| reachable().await);
    }
}
