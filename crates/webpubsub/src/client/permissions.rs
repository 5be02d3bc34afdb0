use http::Method;

use super::call::Call;
use super::{ClientError, ServiceClient};
use crate::roles::Action;

impl ServiceClient {
    /// Lets a connection do something with a group; `false` if there is no such connection. A connection that holds all
    /// the grants it can is [`ErrorKind::Conflict`](super::ErrorKind::Conflict).
    pub async fn grant(&self, connection: &str, action: Action, group: &str) -> Result<bool, ClientError> {
        let call = self.permission("grant a permission", Method::PUT, connection, action, group)?;
        self.exchange_unless_missing(&call).await.map(|answer| answer.is_some())
    }

    /// Takes the right away. It does not take the connection out of the group. A connection that is not there is `Ok`.
    pub async fn revoke(&self, connection: &str, action: Action, group: &str) -> Result<(), ClientError> {
        let call = self.permission("revoke a permission", Method::DELETE, connection, action, group)?;
        self.exchange_unless_missing(&call).await.map(drop)
    }

    /// Whether the connection is there and has the right.
    pub async fn has_permission(
        &self,
        connection: &str,
        action: Action,
        group: &str,
    ) -> Result<bool, ClientError> {
        let call = self.permission("check a permission", Method::HEAD, connection, action, group)?;
        self.exchange_unless_missing(&call).await.map(|answer| answer.is_some())
    }

    fn permission(
        &self,
        operation: &'static str,
        method: Method,
        connection: &str,
        action: Action,
        group: &str,
    ) -> Result<Call, ClientError> {
        let words = ["permissions", action.name(), "connections", connection];
        Ok(self.call(operation, method, &words)?.query("targetName", group))
    }
}
