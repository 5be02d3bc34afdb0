use http::Method;
use serde::Deserialize;

use super::{ClientError, Credential, ErrorKind, ServiceClient};
use crate::token::{ClientToken, client_url};

/// What a client's token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAccess {
    /// `None` for an anonymous client.
    pub user_id: Option<String>,
    pub roles: Vec<String>,
    /// Groups that the connection is in from the start.
    pub groups: Vec<String>,
    /// How long the client may take to connect. A connection outlives its token.
    pub minutes: u32,
}

impl Default for ClientAccess {
    /// Nobody, no rights, an hour.
    fn default() -> Self {
        Self { user_id: None, roles: Vec::new(), groups: Vec::new(), minutes: 60 }
    }
}

impl ServiceClient {
    /// A token for one client: signed here where there is an access key, made by the service otherwise.
    pub async fn client_token(&self, access: &ClientAccess) -> Result<String, ClientError> {
        let Credential::Key(key) = &self.inner.credential else {
            return self.generate_client_token(access).await;
        };
        let (now, lifetime_secs) = ((self.options().clock)(), u64::from(access.minutes) * 60);
        let mut token = ClientToken::new(self.endpoint(), self.hub(), now, lifetime_secs);
        token.user_id.clone_from(&access.user_id);
        token.roles.clone_from(&access.roles);
        token.groups.clone_from(&access.groups);
        token.sign(key).map_err(|why| {
            ClientError::new("make a client token", ErrorKind::Invalid, why.to_string()).caused_by(why)
        })
    }

    /// A token for one client, made by the service.
    pub async fn generate_client_token(&self, access: &ClientAccess) -> Result<String, ClientError> {
        #[derive(Deserialize)]
        struct Generated {
            token: String,
        }
        const OPERATION: &str = "generate a client token";
        let call = self
            .call(OPERATION, Method::POST, &[":generateToken"])?
            .query_some("userId", access.user_id.as_deref())
            .query_all("role", &access.roles)
            .query_all("group", &access.groups)
            .query("minutesToExpire", &access.minutes.to_string());
        let answer = self.exchange(&call).await?;
        let generated: Generated = serde_json::from_slice(&answer).map_err(|why| {
            ClientError::new(OPERATION, ErrorKind::BadAnswer, "the answer has no token").caused_by(why)
        })?;
        Ok(generated.token)
    }

    /// The URL that a client connects to, with its token.
    pub async fn client_url(&self, access: &ClientAccess) -> Result<String, ClientError> {
        Ok(client_url(self.endpoint(), self.hub(), &self.client_token(access).await?))
    }
}
