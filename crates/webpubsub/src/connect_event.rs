//! Bodies of system events: what `connect` asks and answers, and what `disconnected` says.

use serde::{Deserialize, Serialize};

use crate::json;
use crate::multimap::MultiMap;
use crate::names::is_group_name;
use crate::token::ClientClaims;

/// The name under which .NET, and so the service, hands on `sub`.
pub const LONG_USER_CLAIM: &str = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier";
/// The name under which .NET, and so the service, hands on `role`.
pub const LONG_ROLE_CLAIM: &str = "http://schemas.microsoft.com/ws/2008/06/identity/claims/role";

/// The body of `connect`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectRequest {
    /// See [`event_claims`].
    #[serde(default)]
    pub claims: MultiMap,
    /// Without the token.
    #[serde(default)]
    pub query: MultiMap,
    /// Without `Authorization`.
    #[serde(default)]
    pub headers: MultiMap,
    /// What the client offers, in its order.
    #[serde(default)]
    pub subprotocols: Vec<String>,
    #[serde(default)]
    pub client_certificates: Vec<ClientCertificate>,
}

/// A TLS certificate of the client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientCertificate {
    pub thumbprint: String,
    /// PEM.
    #[serde(default)]
    pub content: String,
}

/// The answer to `connect`. `None` keeps what the token says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectResponse {
    /// Replaces the user id, by an empty one too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Replaces the groups unless it is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
    /// Replaces the roles, by none too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<String>>,
    /// One of those that the client offered. It is not checked here against the offer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subprotocol: Option<String>,
}

/// A body is not what the event's protocol says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBody {
    #[error("The body is not a JSON object of the right form.")]
    Form,
    #[error("The answer names a group that no group can have.")]
    Group,
}

impl ConnectRequest {
    /// Reads the body of a `connect` event; missing fields are empty.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidBody> {
        parse_object(body)
    }

    /// Writes the body, with its fields in the service's order.
    pub fn encode(&self) -> Result<Vec<u8>, InvalidBody> {
        serde_json::to_vec(self).map_err(|_| InvalidBody::Form)
    }
}

impl ConnectResponse {
    /// Reads a handler's answer of status 2xx. An empty body and `null` change nothing; unknown fields are ignored.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidBody> {
        let body = body.trim_ascii();
        if body.is_empty() || body == b"null" {
            return Ok(Self::default());
        }
        let response: Self = parse_object(body)?;
        if response.groups.iter().flatten().all(|group| is_group_name(group)) {
            Ok(response)
        } else {
            Err(InvalidBody::Group)
        }
    }

    /// Writes the answer; what is `None` is left out.
    pub fn encode(&self) -> Result<Vec<u8>, InvalidBody> {
        serde_json::to_vec(self).map_err(|_| InvalidBody::Form)
    }
}

/// The body of `disconnected`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisconnectedRequest {
    /// May be empty.
    #[serde(default)]
    pub reason: String,
}

impl DisconnectedRequest {
    /// Reads the body of a `disconnected` event.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidBody> {
        parse_object(body)
    }

    /// Writes the body.
    pub fn encode(&self) -> Result<Vec<u8>, InvalidBody> {
        serde_json::to_vec(self).map_err(|_| InvalidBody::Form)
    }
}

/// The claims of a token for a `connect` event: in their order; `sub` and `role` first under the long names that
/// existing handlers read, then under their own.
#[must_use]
pub fn event_claims(claims: &ClientClaims) -> MultiMap {
    let mut map = MultiMap::new();
    for (name, values) in claims.all.iter() {
        match name {
            "sub" => map.extend(LONG_USER_CLAIM, values.iter().cloned()),
            "role" => map.extend(LONG_ROLE_CLAIM, values.iter().cloned()),
            _ => {}
        }
        map.extend(name, values.iter().cloned());
    }
    map
}

/// A struct from a JSON object. Serde would take an array as a struct too.
fn parse_object<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, InvalidBody> {
    let text = std::str::from_utf8(body).map_err(|_| InvalidBody::Form)?;
    if json::too_deep(text) || !text.trim_start().starts_with('{') {
        return Err(InvalidBody::Form);
    }
    serde_json::from_str(text).map_err(|_| InvalidBody::Form)
}
