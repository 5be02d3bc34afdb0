//! The managed identity against an endpoint of our own: `azure_identity` makes the requests, this side answers and counts.

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use azure_core::http::headers::{HeaderName, Headers};
use azure_core::http::{AsyncRawResponse, HttpClient, Request, StatusCode};
use tokio::sync::Notify;

use super::*;
use crate::model::Timestamp;

const SCOPE: &str = "https://webpubsub.azure.com/.default";

/// The clock that `azure_identity` has too, moved by the test.
struct Moved(AtomicU64);

impl Clock for Moved {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(
            crate::adapters::clock::SystemClock.now().millis() + self.0.load(Ordering::SeqCst),
        )
    }
}

/// What the endpoint answers, one after the other, and the last one for ever: a status, and how long the token lives.
struct Endpoint {
    answers: Mutex<Vec<(u16, u64)>>,
    asked: Mutex<Vec<String>>,
    /// Requests wait for it while it is shut.
    gate: Option<Notify>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Endpoint")
    }
}

impl Endpoint {
    fn new(answers: &[(u16, u64)], gate: Option<Notify>) -> Arc<Self> {
        let answers = Mutex::new(answers.iter().rev().copied().collect());
        Arc::new(Self { answers, asked: Mutex::default(), gate })
    }

    fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

#[async_trait]
impl HttpClient for Endpoint {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let metadata = request.headers().get_optional_str(&HeaderName::from_static("metadata"));
        let count = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(format!("{} {} {metadata:?}", request.method().as_str(), request.url()));
            asked.len()
        };
        if let Some(gate) = &self.gate {
            gate.notified().await;
        }
        let (status, lives) = {
            let mut answers = self.answers.lock().unwrap();
            if answers.len() > 1 { answers.pop().unwrap() } else { answers[0] }
        };
        let expires = crate::adapters::clock::SystemClock.now().millis() / 1000 + lives;
        let body = format!(
            r#"{{"access_token":"token-{count}","expires_on":"{expires}","resource":"x","token_type":"Bearer"}}"#
        );
        let body = if status == 200 { body } else { "the endpoint is tired".to_owned() };
        Ok(AsyncRawResponse::from_bytes(StatusCode::from(status), Headers::new(), body))
    }
}

fn identity(endpoint: &Arc<Endpoint>, client_id: Option<&str>) -> (Identity, Arc<Moved>) {
    let http: Arc<dyn HttpClient> = endpoint.clone();
    let options = ManagedIdentityCredentialOptions {
        user_assigned_id: client_id.map(|id| UserAssignedId::ClientId(id.to_owned())),
        client_options: ClientOptions { transport: Some(Transport::new(http)), ..ClientOptions::default() },
    };
    let clock = Arc::new(Moved(AtomicU64::new(0)));
    let credential = ManagedIdentityCredential::new(Some(options)).unwrap();
    (Identity::of(credential, Kind::Managed, clock.clone()), clock)
}

async fn secret(identity: &Identity) -> String {
    identity.token(SCOPE).await.unwrap().secret().to_owned()
}

#[tokio::test]
async fn a_hundred_who_ask_at_once_are_one_request() {
    let endpoint = Endpoint::new(&[(200, 86_400)], Some(Notify::new()));
    let (identity, _) = identity(&endpoint, None);
    let asking: Vec<_> = (0..100)
        .map(|_| {
            let identity = identity.clone();
            tokio::spawn(async move { secret(&identity).await })
        })
        .collect();
    // The first to ask goes away; the others get what it asked for.
    while endpoint.count() == 0 {
        tokio::task::yield_now().await;
    }
    asking[0].abort();
    endpoint.gate.as_ref().unwrap().notify_one();
    for asked in asking.into_iter().skip(1) {
        assert_eq!(asked.await.unwrap(), "token-1");
    }
    assert_eq!(secret(&identity).await, "token-1");
    assert_eq!(endpoint.count(), 1);
    let asked = endpoint.asked.lock().unwrap()[0].clone();
    assert!(asked.starts_with("GET http://169.254.169.254/metadata/identity/oauth2/token?"), "{asked}");
    assert!(asked.contains("resource=https%3A%2F%2Fwebpubsub.azure.com"), "{asked}");
    assert!(asked.ends_with("Some(\"true\")"), "{asked}");
}

#[tokio::test]
async fn scopes_have_tokens_of_their_own() {
    let endpoint = Endpoint::new(&[(200, 86_400)], None);
    let (identity, _) = identity(&endpoint, Some("an-id"));
    assert_eq!(secret(&identity).await, "token-1");
    let bus = identity.token("https://servicebus.azure.net/.default").await.unwrap();
    assert_eq!(bus.secret(), "token-2");
    assert_eq!(secret(&identity).await, "token-1");
    assert!(!format!("{bus:?}").contains("token-2"));
    assert!(endpoint.asked.lock().unwrap().iter().all(|asked| asked.contains("client_id=an-id")));
}

#[tokio::test]
async fn five_minutes_before_its_end_a_token_is_replaced_and_nobody_waits() {
    let endpoint = Endpoint::new(&[(200, 290), (200, 86_400)], None);
    let (identity, _) = identity(&endpoint, None);
    assert_eq!(secret(&identity).await, "token-1");
    assert_eq!(secret(&identity).await, "token-1", "the old one is good still");
    while secret(&identity).await == "token-1" {
        tokio::task::yield_now().await;
    }
    assert_eq!(secret(&identity).await, "token-2");
    assert_eq!(endpoint.count(), 2);
}

#[tokio::test]
async fn after_its_end_a_token_is_waited_for() {
    let endpoint = Endpoint::new(&[(200, 30), (200, 86_400)], None);
    let (identity, clock) = identity(&endpoint, None);
    assert_eq!(secret(&identity).await, "token-1", "whoever asked for it can use it");
    clock.0.store(60_000, Ordering::SeqCst);
    assert_eq!(secret(&identity).await, "token-2");
    assert_eq!(endpoint.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_in_trouble_is_asked_again() {
    let endpoint = Endpoint::new(&[(500, 0), (429, 0), (200, 86_400)], None);
    let (identity, _) = identity(&endpoint, None);
    assert_eq!(secret(&identity).await, "token-3");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_stays_in_trouble_is_an_error_with_advice() {
    let endpoint = Endpoint::new(&[(500, 0)], None);
    let (identity, _) = identity(&endpoint, None);
    let error = identity.token(SCOPE).await.unwrap_err().to_string();
    assert!(endpoint.count() > 3, "{} tries", endpoint.count());
    let start = "no token for https://webpubsub.azure.com/.default: ";
    assert!(error.starts_with(start) && error.contains("az functionapp identity assign"), "{error}");
    assert!(error.contains("the endpoint is tired") && !error.contains('\n'), "{error}");
    // It is over for now, not for ever.
    *endpoint.answers.lock().unwrap() = vec![(200, 86_400)];
    assert!(secret(&identity).await.starts_with("token-"));
}

#[tokio::test]
async fn an_identity_that_is_not_there_is_told_at_once() {
    let endpoint = Endpoint::new(&[(400, 0)], None);
    let (identity, _) = identity(&endpoint, None);
    let error = identity.token(SCOPE).await.unwrap_err().to_string();
    assert!(error.contains("has not been assigned"), "{error}");
    assert_eq!(endpoint.count(), 1);
}

#[tokio::test]
async fn a_failed_refresh_leaves_the_old_token() {
    let endpoint = Endpoint::new(&[(200, 290), (400, 0)], None);
    let (identity, clock) = identity(&endpoint, None);
    while endpoint.count() < 2 {
        assert_eq!(secret(&identity).await, "token-1");
        tokio::task::yield_now().await;
    }
    for _ in 0..50 {
        assert_eq!(secret(&identity).await, "token-1");
        tokio::task::yield_now().await;
    }
    assert_eq!(endpoint.count(), 2, "it is not asked with every call");
    clock.0.store(REST_SECS * 1000 + 1000, Ordering::SeqCst);
    while endpoint.count() < 3 {
        assert_eq!(secret(&identity).await, "token-1");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_older_crates_get_the_same_token() {
    use azure_core21::auth::TokenCredential as Older;
    let endpoint = Endpoint::new(&[(200, 86_400)], None);
    let (identity, _) = identity(&endpoint, None);
    for scope in ["https://storage.azure.com/", "https://storage.azure.com/.default"] {
        let token = Older::get_token(&identity, &[scope]).await.unwrap();
        assert_eq!(token.token.secret(), "token-1");
    }
    assert!(Older::get_token(&identity, &["a", "b"]).await.is_err());
    assert!(
        endpoint.asked.lock().unwrap()[0].contains("resource=https%3A%2F%2Fstorage.azure.com&") || {
            endpoint.asked.lock().unwrap()[0].contains("resource=https%3A%2F%2Fstorage.azure.com ")
        }
    );
    Older::clear_cache(&identity).await.unwrap();
}

/// Whoever needs a token and not its way.
#[derive(Debug)]
pub(in super::super) struct Fixed(pub(in super::super) Result<&'static str, &'static str>);

#[async_trait]
impl TokenCredential for Fixed {
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<azure_core::credentials::TokenRequestOptions<'_>>,
    ) -> azure_core::Result<azure_core::credentials::AccessToken> {
        let kind = azure_core::error::ErrorKind::Credential;
        let text = self.0.map_err(|why| azure_core::Error::with_message(kind, why))?;
        let expires = time::OffsetDateTime::from_unix_timestamp(32_503_680_000).unwrap();
        Ok(azure_core::credentials::AccessToken::new(format!("{text} for {}", scopes[0]), expires))
    }
}
