//! Client access tokens.

use percent_encoding::percent_decode_str;
use serde::Serialize;

use super::{TokenError, claims};
use crate::connect_event::{LONG_ROLE_CLAIM, LONG_USER_CLAIM};
use crate::key::AccessKey;
use crate::multimap::MultiMap;
use crate::names::{HubName, is_group_name};

/// What a client token says, before it is signed. Claims are written in the order in which the official SDKs write
/// them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClientToken {
    /// See [`client_audience`].
    #[serde(rename = "aud")]
    pub audience: String,
    /// Seconds since the epoch.
    #[serde(rename = "iat")]
    pub issued_at: u64,
    /// Seconds since the epoch. Only checked when the client connects.
    #[serde(rename = "exp")]
    pub expires_at: u64,
    /// `None` for an anonymous client.
    #[serde(rename = "sub", skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    #[serde(rename = "role", skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Groups that the connection is in from the start.
    #[serde(rename = "webpubsub.group", skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
}

impl ClientToken {
    /// A token without user, roles and groups.
    #[must_use]
    pub fn new(endpoint: &str, hub: &HubName, now: u64, lifetime_secs: u64) -> Self {
        Self {
            audience: client_audience(endpoint, hub),
            issued_at: now,
            expires_at: now.saturating_add(lifetime_secs),
            user_id: None,
            roles: Vec::new(),
            groups: Vec::new(),
        }
    }

    /// Signs the token.
    pub fn sign(&self, key: &AccessKey) -> Result<String, TokenError> {
        claims::sign(key, self)
    }
}

/// What a verified client token says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientClaims {
    pub user_id: Option<String>,
    pub roles: Vec<String>,
    pub groups: Vec<String>,
    /// Every claim under the name it had, in order, for the `connect` event.
    pub all: MultiMap,
}

/// The audience of a hub's client tokens: `{endpoint}/client/hubs/{hub}`. `endpoint` has scheme `http` or `https`.
#[must_use]
pub fn client_audience(endpoint: &str, hub: &HubName) -> String {
    format!("{}/client/hubs/{hub}", endpoint.trim_end_matches('/'))
}

/// The URL that a client connects to: the endpoint's with `ws` for `http` and the token in the query.
#[must_use]
pub fn client_url(endpoint: &str, hub: &HubName, token: &str) -> String {
    let endpoint = endpoint.trim_end_matches('/');
    let endpoint = match endpoint.split_at_checked(4) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => format!("ws{rest}"),
        _ => endpoint.to_owned(),
    };
    format!("{endpoint}/client/hubs/{hub}?access_token={token}")
}

/// Verifies the token of a client that connects to `hub`. The audience's scheme is `http` or `https`, its path must
/// be the hub's (compared without case), and its host is not compared, because a proxy may stand in between.
pub fn verify_client_token(
    keys: &[AccessKey],
    token: &str,
    hub: &HubName,
    now: u64,
) -> Result<ClientClaims, TokenError> {
    let claims = claims::verify(keys, token, now)?;
    if !claims.strings("aud").iter().any(|audience| is_for_hub(audience, hub)) {
        return Err(TokenError::WrongAudience);
    }
    let either = |short: &str, long: &str| {
        let values = claims.strings(short);
        if values.is_empty() { claims.strings(long) } else { values }
    };
    let user_id = either("sub", LONG_USER_CLAIM).into_iter().next();
    let roles = either("role", LONG_ROLE_CLAIM);
    let groups = claims.strings("webpubsub.group");
    if !groups.iter().all(|group| is_group_name(group)) {
        return Err(TokenError::InvalidGroup);
    }
    Ok(ClientClaims { user_id, roles, groups, all: claims.into_multimap() })
}

fn is_for_hub(audience: &str, hub: &HubName) -> bool {
    let Some((scheme, rest)) = audience.split_once("://") else { return false };
    let Some((host, path)) = rest.split_once('/') else { return false };
    let path = percent_decode_str(path).decode_utf8_lossy();
    (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"))
        && !host.is_empty()
        && path.eq_ignore_ascii_case(&format!("client/hubs/{hub}"))
}
