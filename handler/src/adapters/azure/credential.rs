use std::collections::BTreeMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use azure_core::credentials::TokenCredential;
use azure_core::http::{ClientOptions, ExponentialRetryOptions, RetryOptions, Transport};
use azure_identity::{
    DeveloperToolsCredential, ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::time::timeout;

use super::Http;
use crate::ports::Clock;

/// A token that expires within this time is replaced.
const REFRESH_SECS: u64 = 5 * 60;
/// A token that lives longer than this is good enough for one more call while its successor is on its way.
const ENOUGH_SECS: u64 = 60;
/// After a failed refresh the old token serves this long before the next try.
const REST_SECS: u64 = 20;
/// For one request of a token, with all its tries: a machine's endpoint is tried for 72 s and its last pause.
const BUDGET: Duration = Duration::from_secs(120);
/// How often the endpoint of an app is tried again; that takes some six seconds.
const RETRIES: u32 = 5;
/// Scopes are ours, a handful; a mistake must not make a heap of them.
const MOST_SCOPES: usize = 16;

/// Who this process is to Azure's services: one credential, whose tokens are kept per scope until five minutes before they
/// expire. Clones are the same identity.
///
/// However many callers need a token, it is asked for once; a caller that stops waiting stops nobody else. While the old
/// token is good nobody waits for the new one, and nobody hears of a failure to get it.
#[derive(Clone)]
pub struct Identity(Arc<Inner>);

struct Inner {
    source: Arc<dyn TokenCredential>,
    kind: Kind,
    clock: Arc<dyn Clock>,
    slots: Mutex<BTreeMap<String, Slot>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Managed,
    Developer,
}

/// A token for one service. Its `Debug` hides it.
#[derive(Clone)]
pub struct Token {
    secret: Arc<str>,
    /// Seconds since the epoch.
    expires_at: u64,
}

/// Why there is no token, for all who waited for it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("no token for {scope}: {why}. {}", .kind.advice())]
pub struct NoToken {
    scope: String,
    why: String,
    kind: Kind,
}

impl Kind {
    const fn advice(self) -> &'static str {
        match self {
            Self::Managed => {
                "Is a managed identity switched on for this app (`az functionapp identity assign`), and AZURE_CLIENT_ID \
                 that of a user-assigned one, or not set?"
            }
            Self::Developer => {
                "Sign in with `az login` or `azd auth login`; on Azure set USE_MANAGED_IDENTITY=true"
            }
        }
    }
}

/// One of them at most is asking at any time.
type Flight = Shared<BoxFuture<'static, Result<Token, NoToken>>>;

#[derive(Default)]
struct Slot {
    token: Option<Token>,
    flight: Option<Flight>,
    /// Until then no new token is asked for, where the old one serves.
    rest_until: u64,
}

enum Found {
    Token(Token),
    Wait(Flight),
}

impl Identity {
    /// The managed identity that Azure gives this app or machine: the system-assigned one, or the one with `client_id`.
    pub fn managed(client_id: Option<&str>, http: Http, clock: Arc<dyn Clock>) -> azure_core::Result<Self> {
        let transport = Some(Transport::new(Arc::new(http)));
        let options = ManagedIdentityCredentialOptions {
            user_assigned_id: client_id.map(|id| UserAssignedId::ClientId(id.to_owned())),
            client_options: ClientOptions { transport, retry: retries(), ..ClientOptions::default() },
        };
        Ok(Self::of(ManagedIdentityCredential::new(Some(options))?, Kind::Managed, clock))
    }

    /// Whoever is signed in to the Azure CLI or the Azure Developer CLI.
    pub fn developer(clock: Arc<dyn Clock>) -> azure_core::Result<Self> {
        Ok(Self::of(DeveloperToolsCredential::new(None)?, Kind::Developer, clock))
    }

    fn of(source: Arc<dyn TokenCredential>, kind: Kind, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner { source, kind, clock, slots: Mutex::default() }))
    }

    /// Gives the text and its scope as a token, or fails for that reason.
    #[cfg(test)]
    pub(super) fn fixed(answer: Result<&'static str, &'static str>) -> Self {
        let clock = Arc::new(crate::adapters::clock::SystemClock);
        Self::of(Arc::new(tests::Fixed(answer)), Kind::Developer, clock)
    }

    /// A token for a scope, such as `https://servicebus.azure.net/.default`.
    pub async fn token(&self, scope: &str) -> Result<Token, NoToken> {
        match self.find(scope) {
            Found::Token(token) => Ok(token),
            Found::Wait(flight) => flight.await,
        }
    }

    /// Forgets all tokens.
    pub(super) fn forget(&self) {
        self.0.slots().clear();
    }

    fn find(&self, scope: &str) -> Found {
        let now = self.0.now();
        let mut slots = self.0.slots();
        if slots.len() >= MOST_SCOPES && !slots.contains_key(scope) {
            slots.clear();
        }
        let slot = slots.entry(scope.to_owned()).or_default();
        if let Some(token) = slot.token.clone().filter(|token| token.expires_at > now + ENOUGH_SECS) {
            let is_due = token.expires_at <= now + REFRESH_SECS && slot.rest_until <= now;
            if is_due && slot.flight.is_none() {
                slot.flight = Some(self.take_off(scope));
            }
            return Found::Token(token);
        }
        Found::Wait(slot.flight.get_or_insert_with(|| self.take_off(scope)).clone())
    }

    /// Asks on a task of its own, so that it ends however many of those who wait go away.
    fn take_off(&self, scope: &str) -> Flight {
        let (inner, scope) = (Arc::clone(&self.0), scope.to_owned());
        let task = tokio::spawn(async move {
            let asked = AssertUnwindSafe(inner.ask(&scope)).catch_unwind().await;
            let answer = asked.unwrap_or_else(|_| Err(inner.none(&scope, "the credential failed")));
            inner.land(&scope, &answer);
            answer
        });
        let (kind, ended) = (self.0.kind, "the program ends".to_owned());
        async move { task.await.unwrap_or(Err(NoToken { scope: String::new(), why: ended, kind })) }
            .boxed()
            .shared()
    }
}

fn retries() -> RetryOptions {
    RetryOptions::exponential(ExponentialRetryOptions {
        max_retries: RETRIES,
        ..ExponentialRetryOptions::default()
    })
}

impl Inner {
    fn now(&self) -> u64 {
        self.clock.now().millis() / 1000
    }

    fn slots(&self) -> MutexGuard<'_, BTreeMap<String, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn none(&self, scope: &str, why: impl Into<String>) -> NoToken {
        NoToken { scope: scope.to_owned(), why: why.into(), kind: self.kind }
    }

    async fn ask(&self, scope: &str) -> Result<Token, NoToken> {
        let asked = timeout(BUDGET, self.source.get_token(&[scope], None)).await;
        let token = asked
            .map_err(|_| self.none(scope, "the identity endpoint did not answer in time"))?
            .map_err(|error| self.none(scope, reasons(&error)))?;
        let expires_at = u64::try_from(token.expires_on.unix_timestamp()).unwrap_or_default();
        Ok(Token { secret: token.token.secret().into(), expires_at })
    }

    fn land(&self, scope: &str, answer: &Result<Token, NoToken>) {
        let now = self.now();
        let mut slots = self.slots();
        let slot = slots.entry(scope.to_owned()).or_default();
        slot.flight = None;
        match answer {
            Ok(token) => slot.token = Some(token.clone()),
            Err(error) => {
                tracing::warn!("{error}");
                slot.rest_until = now + REST_SECS;
            }
        }
    }
}

/// The chain of causes without repetitions, in one line.
fn reasons(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = String::new();
    for cause in std::iter::successors(Some(error), |error| error.source()) {
        let cause = cause.to_string();
        let cause = cause.trim().trim_end_matches('.');
        if !text.contains(cause) {
            text.extend([if text.is_empty() { "" } else { ": " }, cause]);
        }
    }
    text.replace(['\n', '\r', '\t'], " ")
}

impl Token {
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// Seconds since the epoch.
    #[must_use]
    pub const fn expires_at(&self) -> u64 {
        self.expires_at
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token(…, expires at {})", self.expires_at)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({:?})", self.0.kind)
    }
}

#[cfg(test)]
#[path = "credential_tests.rs"]
mod tests;
