use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::RETRY_AFTER;
use serde::Serialize;
use tokio::time::{Instant, timeout};

use super::Front;
use crate::error::ApiError;
use crate::model::RoomId;

/// A dependency that answers later than this is not ready.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct Readiness {
    status: &'static str,
    checks: BTreeMap<&'static str, Check>,
}

#[derive(Serialize)]
struct Check {
    ok: bool,
    millis: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// `GET api/readyz`: transport, storage and queue, each asked now; 503 where one does not answer.
pub(super) async fn handle(State(front): State<Front>) -> Result<Response, ApiError> {
    let ports = &front.services().await?.ports;
    let general = RoomId::new("general").map_err(|_| ApiError::internal())?;
    let (transport, storage, queue) = tokio::join!(
        check(ports.transport.check()),
        check(async { ports.rooms.get(&general).await.map(drop) }),
        check(ports.queue.check()),
    );
    let checks = BTreeMap::from([("transport", transport), ("storage", storage), ("queue", queue)]);
    if checks.values().all(|check| check.ok) {
        return Ok(Json(Readiness { status: "ready", checks }).into_response());
    }
    let body = Json(Readiness { status: "not ready", checks });
    Ok((StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")], body).into_response())
}

async fn check<E: std::error::Error>(answer: impl Future<Output = Result<(), E>>) -> Check {
    let asked = Instant::now();
    let error = match timeout(PATIENCE, answer).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("no answer in time".to_owned()),
    };
    Check { ok: error.is_none(), millis: asked.elapsed().as_millis() as u64, error }
}
