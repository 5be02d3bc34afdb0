use std::collections::BTreeMap;
use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use http::StatusCode;
use http::header::RETRY_AFTER;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::{Front, Services};
use crate::error::ApiError;
use crate::model::RoomId;
use crate::ports::{reason_in_public, reasons};

/// A dependency that answers later than this is not ready.
const PATIENCE: Duration = Duration::from_secs(2);
/// How old an answer may be. Anybody may ask, and each check calls every dependency, or waits for a disk.
const MAX_AGE: Duration = Duration::from_secs(1);

/// The last answer. Who asks while it is made waits for it, so that however many ask, one check is under way.
#[derive(Debug, Default)]
pub(super) struct LastReadiness(Mutex<Option<(Instant, Readiness)>>);

impl LastReadiness {
    /// As `make` has it, or as it was at most [`MAX_AGE`] ago.
    async fn now(&self, make: impl Future<Output = Readiness>) -> Readiness {
        let mut last = self.0.lock().await;
        if let Some((at, readiness)) = &*last
            && at.elapsed() < MAX_AGE
        {
            return readiness.clone();
        }
        let readiness = make.await;
        *last = Some((Instant::now(), readiness.clone()));
        readiness
    }
}

#[derive(Clone, Debug, Serialize)]
struct Readiness {
    status: &'static str,
    checks: BTreeMap<&'static str, Check>,
    /// What is not as it must be, although it answers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
struct Check {
    ok: bool,
    millis: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// What an operator has to mend, asked for each time.
#[derive(Clone)]
pub struct Warnings(Arc<dyn Fn() -> BoxFuture<'static, Vec<String>> + Send + Sync>);

impl Warnings {
    #[must_use]
    pub fn none() -> Self {
        Self::of(async || Vec::new())
    }

    #[must_use]
    pub fn of<F>(ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Vec<String>> + Send + 'static,
    {
        Self(Arc::new(move || Box::pin(ask())))
    }
}

/// `GET api/readyz`: transport, storage and queue, each asked within the last second; 503 where one does not answer. Warnings
/// change nothing of that.
pub(super) async fn handle(State(front): State<Front>) -> Result<Response, ApiError> {
    let services = front.services().await?;
    let general = RoomId::new("general").map_err(|_| ApiError::internal())?;
    let readiness = front.last_readiness().now(ask(&front, services, &general)).await;
    let is_ready = readiness.checks.values().all(|check| check.ok);
    let body = Json(readiness);
    if is_ready {
        return Ok(body.into_response());
    }
    Ok((StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")], body).into_response())
}

async fn ask(front: &Front, services: &Services, room: &RoomId) -> Readiness {
    let ports = &services.ports;
    let (transport, storage, queue, warnings) = tokio::join!(
        check("transport", ports.transport.check()),
        check("storage", async { ports.rooms.get(room).await.map(drop) }),
        check("queue", ports.queue.check()),
        timeout(PATIENCE, (services.warnings.0)()),
    );
    let mut warnings = warnings.unwrap_or_default();
    warnings.extend_from_slice(front.host_warnings().await);
    let checks = BTreeMap::from([("transport", transport), ("storage", storage), ("queue", queue)]);
    let is_ready = checks.values().all(|check| check.ok);
    Readiness { status: if is_ready { "ready" } else { "not ready" }, checks, warnings }
}

/// Everybody is told that it failed; why, with addresses and paths, is told to the log.
async fn check<E: Error + 'static>(
    dependency: &'static str,
    answer: impl Future<Output = Result<(), E>>,
) -> Check {
    let asked = Instant::now();
    let error = match timeout(PATIENCE, answer).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => {
            tracing::warn!(dependency, error = reasons(&error), "a dependency is not ready");
            Some(reason_in_public(&error))
        }
        Err(_) => Some("no answer in time".to_owned()),
    };
    Check { ok: error.is_none(), millis: asked.elapsed().as_millis() as u64, error }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn readiness() -> Readiness {
        Readiness { status: "ready", checks: BTreeMap::new(), warnings: Vec::new() }
    }

    #[tokio::test(start_paused = true)]
    async fn however_many_ask_one_check_is_made_a_second() {
        let (last, made) = (LastReadiness::default(), AtomicUsize::new(0));
        let ask = || {
            last.now(async {
                made.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                readiness()
            })
        };
        futures_util::future::join_all((0..50).map(|_| ask())).await;
        assert_eq!(made.load(Ordering::Relaxed), 1, "they wait for the one under way");
        tokio::time::advance(MAX_AGE / 2).await;
        ask().await;
        assert_eq!(made.load(Ordering::Relaxed), 1);
        tokio::time::advance(MAX_AGE).await;
        ask().await;
        assert_eq!(made.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_away_leaves_the_check_to_the_next() {
        let last = LastReadiness::default();
        let away = timeout(Duration::from_millis(1), last.now(std::future::pending()));
        assert!(away.await.is_err());
        assert_eq!(last.now(async { readiness() }).await.status, "ready");
    }
}
