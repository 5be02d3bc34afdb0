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
use tokio::time::{Instant, timeout};

use super::Front;
use crate::error::ApiError;
use crate::model::RoomId;
use crate::ports::reasons;

/// A dependency that answers later than this is not ready.
const PATIENCE: Duration = Duration::from_secs(2);
/// Characters of an error that are told.
const ERROR_CHARS: usize = 600;

#[derive(Serialize)]
struct Readiness {
    status: &'static str,
    checks: BTreeMap<&'static str, Check>,
    /// What is not as it must be, although it answers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

#[derive(Serialize)]
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

/// `GET api/readyz`: transport, storage and queue, each asked now; 503 where one does not answer. Warnings change nothing of
/// that.
pub(super) async fn handle(State(front): State<Front>) -> Result<Response, ApiError> {
    let services = front.services().await?;
    let ports = &services.ports;
    let general = RoomId::new("general").map_err(|_| ApiError::internal())?;
    let (transport, storage, queue, warnings) = tokio::join!(
        check(ports.transport.check()),
        check(async { ports.rooms.get(&general).await.map(drop) }),
        check(ports.queue.check()),
        timeout(PATIENCE, (services.warnings.0)()),
    );
    let mut warnings = warnings.unwrap_or_default();
    warnings.extend_from_slice(front.host_warnings().await);
    let checks = BTreeMap::from([("transport", transport), ("storage", storage), ("queue", queue)]);
    if checks.values().all(|check| check.ok) {
        return Ok(Json(Readiness { status: "ready", checks, warnings }).into_response());
    }
    let body = Json(Readiness { status: "not ready", checks, warnings });
    Ok((StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")], body).into_response())
}

async fn check<E: Error + 'static>(answer: impl Future<Output = Result<(), E>>) -> Check {
    let asked = Instant::now();
    let error = match timeout(PATIENCE, answer).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(reasons(&error).chars().take(ERROR_CHARS).collect()),
        Err(_) => Some("no answer in time".to_owned()),
    };
    Check { ok: error.is_none(), millis: asked.elapsed().as_millis() as u64, error }
}
