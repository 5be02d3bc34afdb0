use async_trait::async_trait;
use bytes::Bytes;

use super::{Around, Call, Wrapped};
use crate::model::UserId;
use crate::ports::{ClientAccess, Transport, TransportError};

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<P: Transport + ?Sized, W: Around> Transport for Wrapped<P, W> {
    async fn publish(&self, group: &str, json: Bytes, excluded: &[String]) -> Result<(), TransportError> {
        self.call(Call::once("transport.publish"), || self.inner.publish(group, json.clone(), excluded)).await
    }

    async fn send_to_connection(&self, connection: &str, json: Bytes) -> Result<(), TransportError> {
        self.call(Call::once("transport.send_to_connection"), || {
            self.inner.send_to_connection(connection, json.clone())
        })
        .await
    }

    async fn admit(&self, user: &UserId, group: &str, connections: &[String]) -> Result<(), TransportError> {
        self.call(Call::again("transport.admit"), || self.inner.admit(user, group, connections)).await
    }

    async fn expel(&self, user: &UserId, group: &str, connections: &[String]) -> Result<(), TransportError> {
        self.call(Call::again("transport.expel"), || self.inner.expel(user, group, connections)).await
    }

    async fn close(&self, connection: &str, reason: &str) -> Result<(), TransportError> {
        self.call(Call::again("transport.close"), || self.inner.close(connection, reason)).await
    }

    async fn close_all(
        &self,
        user: &UserId,
        connections: &[String],
        reason: &str,
    ) -> Result<(), TransportError> {
        self.call(Call::again("transport.close_all"), || self.inner.close_all(user, connections, reason))
            .await
    }

    async fn connections_in(
        &self,
        group: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, TransportError> {
        self.call(Call::again("transport.connections_in"), || self.inner.connections_in(group, after, limit))
            .await
    }

    async fn client_access(
        &self,
        user: &UserId,
        roles: &[String],
        base: &str,
    ) -> Result<ClientAccess, TransportError> {
        self.call(Call::again("transport.client_access"), || self.inner.client_access(user, roles, base))
            .await
    }

    /// A count costs nothing and cannot fail.
    fn connections(&self) -> Option<usize> {
        self.inner.connections()
    }

    async fn check(&self) -> Result<(), TransportError> {
        self.call(Call::once("transport.check"), || self.inner.check()).await
    }
}
