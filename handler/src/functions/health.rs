use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::Front;
use crate::error::ApiError;

#[derive(Serialize)]
pub(super) struct Health {
    status: &'static str,
    connections: usize,
    rooms: usize,
    active_rooms: usize,
    uptime: u64,
    version: &'static str,
}

/// `GET api/health`: the process lives. Whether it can work is what `readyz` says.
pub(super) async fn handle(State(front): State<Front>) -> Result<Json<Health>, ApiError> {
    let services = front.services().await?;
    let counts = services.statistics.now(&services.ports).await;
    Ok(Json(Health {
        status: "healthy",
        connections: counts.connections,
        rooms: counts.rooms,
        active_rooms: counts.active_rooms,
        uptime: front.uptime().as_secs(),
        version: env!("CARGO_PKG_VERSION"),
    }))
}
