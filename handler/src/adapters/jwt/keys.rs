use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use jsonwebtoken::{Algorithm, DecodingKey};
use tokio::time::Instant;

use super::fetch::{self, NoDocument};
use super::key_set::KeySet;

/// Keys older than this are asked for again, while they go on serving.
const REFRESH_AGE: Duration = Duration::from_secs(60 * 60);
/// Between two requests for keys, whatever tokens name: who sends unknown ids makes no storm of requests.
const REST: Duration = Duration::from_secs(10);
/// While the issuer is away its keys go on serving, but not for ever: it may have withdrawn one.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Where the keys come from that verify tokens.
#[derive(Clone, PartialEq, Eq)]
pub enum KeySource {
    /// Shared with whoever signs, by HS256 alone.
    Secret(Vec<u8>),
    /// A JSON Web Key Set at this URL.
    Url(String),
    /// Where the configuration of this issuer says.
    Issuer(String),
}

impl std::fmt::Debug for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Secret(_) => f.write_str("Secret(hidden)"),
            Self::Url(url) => write!(f, "Url({url})"),
            Self::Issuer(issuer) => write!(f, "Issuer({issuer})"),
        }
    }
}

/// Why there is no key for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoKey {
    /// The issuer has none of this name, or none for this algorithm.
    Unknown,
    /// The issuer could not be asked.
    Unavailable { retry_after: Duration },
}

/// The keys of an issuer, kept for all who ask. Clones share them.
///
/// However many tokens name a key that is not known, its issuer is asked once, and not again for [`REST`]. A caller that
/// stops waiting stops nobody else. Keys that are known serve while newer ones are asked for, and while they cannot be had.
#[derive(Clone)]
pub(super) struct Keys(Arc<Inner>);

struct Inner {
    source: KeySource,
    client: reqwest::Client,
    state: Mutex<State>,
}

/// One of them at most is asking at any time.
type Flight = Shared<BoxFuture<'static, ()>>;

#[derive(Default)]
struct State {
    known: Option<(Arc<KeySet>, Instant)>,
    flight: Option<Flight>,
    /// The end of the last request, and whether it brought keys.
    asked: Option<(Instant, bool)>,
}

impl Keys {
    pub(super) fn new(source: KeySource, client: reqwest::Client) -> Self {
        Self(Arc::new(Inner { source, client, state: Mutex::default() }))
    }

    /// The key that a token's header names.
    pub(super) async fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Result<DecodingKey, NoKey> {
        if let KeySource::Secret(secret) = &self.0.source {
            return KeySet::of_secret(secret).find(None, algorithm).cloned().ok_or(NoKey::Unknown);
        }
        if let Some(key) = self.known(id, algorithm) {
            return Ok(key);
        }
        let Some(flight) = self.take_off() else { return Err(self.none()) };
        flight.await;
        self.known(id, algorithm).ok_or_else(|| self.none())
    }

    /// A key that is known. Old ones set a request off, for which nobody waits.
    fn known(&self, id: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
        let (keys, since) = self.0.state().known.clone()?;
        if since.elapsed() > LONGEST {
            return None;
        }
        if since.elapsed() > REFRESH_AGE {
            // Its task goes on by itself.
            drop(self.take_off());
        }
        keys.find(id, algorithm).cloned()
    }

    /// The request that is under way or begins now; `None` while we rest from the last.
    ///
    /// It runs as a task of its own, so that it ends however many of those who wait go away.
    fn take_off(&self) -> Option<Flight> {
        let mut state = self.0.state();
        if let Some(flight) = &state.flight {
            return Some(flight.clone());
        }
        if state.asked.is_some_and(|(at, _)| at.elapsed() < REST) {
            return None;
        }
        let inner = Arc::clone(&self.0);
        let task = tokio::spawn(async move {
            let asked = AssertUnwindSafe(inner.ask()).catch_unwind().await;
            inner.land(asked.ok());
        });
        let flight = task.map(drop).boxed().shared();
        state.flight = Some(flight.clone());
        Some(flight)
    }

    fn none(&self) -> NoKey {
        match self.0.state().asked {
            Some((_, true)) => NoKey::Unknown,
            Some((at, false)) => NoKey::Unavailable { retry_after: REST.saturating_sub(at.elapsed()) },
            None => NoKey::Unavailable { retry_after: REST },
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self) -> Result<KeySet, NoDocument> {
        let url = match &self.source {
            KeySource::Secret(_) => return Ok(KeySet::default()),
            KeySource::Url(url) => url.clone(),
            KeySource::Issuer(issuer) => fetch::jwks_url(&self.client, issuer).await?,
        };
        Ok(KeySet::parse(&fetch::document(&self.client, &url).await?)?)
    }

    /// `None` where asking failed in a way of ours.
    fn land(&self, answer: Option<Result<KeySet, NoDocument>>) {
        let mut state = self.state();
        state.flight = None;
        let now = Instant::now();
        match answer {
            Some(Ok(keys)) => {
                tracing::info!(keys = keys.len(), "the issuer's keys are read");
                state.known = Some((Arc::new(keys), now));
                state.asked = Some((now, true));
            }
            failed => {
                if let Some(Err(error)) = &failed {
                    let error = error as &dyn std::error::Error;
                    tracing::warn!(error, "the issuer's keys cannot be read; the known ones serve on");
                }
                state.asked = Some((now, false));
            }
        }
    }
}
