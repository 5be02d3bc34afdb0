//! The key that Entra ID delegates to us for signing: asked for once a day, kept in memory.

use std::sync::Arc;
use std::time::Duration;

use azure_storage_common::models::UserDelegationKey;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::Mutex;

use super::{VERSION, unavailable};
use crate::adapters::azure::{Http, Identity};
use crate::model::Timestamp;
use crate::model::bounds::DAY_MILLIS;
use crate::ports::{Clock, StoreError};

/// What an identity's token is asked for.
const SCOPE: &str = "https://storage.azure.com/.default";
const TIMEOUT: Duration = Duration::from_secs(10);
/// A key that ends sooner is replaced. Longer than any link.
const ENOUGH_SECS: i64 = 60 * 60;
/// It begins a little earlier, for clocks that differ.
const EARLIER_MILLIS: u64 = 5 * 60 * 1000;

pub(super) struct Delegation {
    identity: Identity,
    endpoint: Url,
    http: Http,
    clock: Arc<dyn Clock>,
    /// Who asks first asks for all.
    key: Mutex<Option<Arc<UserDelegationKey>>>,
}

#[derive(Debug, thiserror::Error)]
enum NoKey {
    #[error(
        "the service answered {0} when asked for a key; does the identity have the role Storage Blob Delegator?"
    )]
    Refused(reqwest::StatusCode),
    #[error("the service's key has no {0}")]
    Without(&'static str),
}

impl Delegation {
    pub(super) fn new(identity: Identity, endpoint: Url, http: Http, clock: Arc<dyn Clock>) -> Self {
        Self { identity, endpoint, http, clock, key: Mutex::default() }
    }

    pub(super) async fn token(&self) -> Result<String, StoreError> {
        let token = self.identity.token(SCOPE).await.map_err(unavailable)?;
        Ok(token.secret().to_owned())
    }

    pub(super) async fn key(&self) -> Result<Arc<UserDelegationKey>, StoreError> {
        let now = i64::try_from(self.clock.now().millis() / 1000).unwrap_or_default();
        let mut kept = self.key.lock().await;
        if let Some(key) = kept.as_ref()
            && key.signed_expiry.is_some_and(|expiry| expiry.unix_timestamp() > now + ENOUGH_SECS)
        {
            return Ok(Arc::clone(key));
        }
        let key = Arc::new(self.ask().await?);
        *kept = Some(Arc::clone(&key));
        Ok(key)
    }

    async fn ask(&self) -> Result<UserDelegationKey, StoreError> {
        let now = self.clock.now().millis();
        let (start, expiry) = (seconds(now.saturating_sub(EARLIER_MILLIS)), seconds(now + DAY_MILLIS));
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><KeyInfo><Start>{start}</Start><Expiry>{expiry}</Expiry></KeyInfo>"
        );
        let base = self.endpoint.as_str().trim_end_matches('/');
        let url = format!("{base}/?restype=service&comp=userdelegationkey");
        let request = self.http.of(&url).post(&url).timeout(TIMEOUT).bearer_auth(self.token().await?);
        let request = request.header("x-ms-version", VERSION).header("content-type", "application/xml");
        let answer = request.body(body).send().await.map_err(|error| unavailable(error.without_url()))?;
        if !answer.status().is_success() {
            return Err(unavailable(NoKey::Refused(answer.status())));
        }
        let text = answer.text().await.map_err(|error| unavailable(error.without_url()))?;
        read(&text).map_err(unavailable)
    }
}

/// Whole seconds.
fn seconds(millis: u64) -> String {
    Timestamp::from_millis(millis / 1000 * 1000).to_string().replace(".000Z", "Z")
}

/// A flat document of seven elements, none of which holds what has to be escaped.
fn read(xml: &str) -> Result<UserDelegationKey, NoKey> {
    let text = |name: &'static str| {
        let (_, behind) = xml.split_once(&format!("<{name}>")).ok_or(NoKey::Without(name))?;
        let (text, _) = behind.split_once('<').ok_or(NoKey::Without(name))?;
        Ok(text.trim().to_owned())
    };
    let time = |name| OffsetDateTime::parse(&text(name)?, &Rfc3339).map_err(|_| NoKey::Without(name));
    Ok(UserDelegationKey {
        signed_oid: Some(text("SignedOid")?),
        signed_tid: Some(text("SignedTid")?),
        signed_start: Some(time("SignedStart")?),
        signed_expiry: Some(time("SignedExpiry")?),
        signed_service: Some(text("SignedService")?),
        signed_version: Some(text("SignedVersion")?),
        value: Some(STANDARD.decode(text("Value")?).map_err(|_| NoKey::Without("Value"))?),
        ..UserDelegationKey::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer as "Get User Delegation Key" of the REST reference shows it.
    #[test]
    fn reads_a_key_as_it_is_published() {
        let xml = "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<UserDelegationKey>\n  <SignedOid>oid</SignedOid>\
                   <SignedTid>tid</SignedTid><SignedStart>2026-11-21T10:00:00Z</SignedStart>\
                   <SignedExpiry>2026-11-22T10:00:00Z</SignedExpiry><SignedService>b</SignedService>\
                   <SignedVersion>2022-11-02</SignedVersion><Value>a2V5</Value></UserDelegationKey>";
        let key = read(xml).unwrap();
        assert_eq!((key.signed_oid.as_deref(), key.value.as_deref()), (Some("oid"), Some(&b"key"[..])));
        assert_eq!(
            key.signed_expiry.unwrap().unix_timestamp() - key.signed_start.unwrap().unix_timestamp(),
            86_400
        );
        assert!(matches!(read(&xml.replace("a2V5", "%")), Err(NoKey::Without("Value"))));
        assert!(matches!(read("<html>"), Err(NoKey::Without("SignedOid"))));
    }
}
