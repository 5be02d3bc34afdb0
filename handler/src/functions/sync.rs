use axum::Json;
use axum::extract::State;

use super::Front;
use super::call::Call;
use super::fields::JsonBytes;
use crate::chat::{Sync, SyncRequest};
use crate::error::ApiError;

/// `POST api/sync`: what many conversations hold behind the caller's cursors.
pub(super) async fn handle(
    State(front): State<Front>,
    call: Call,
    JsonBytes(body): JsonBytes,
) -> Result<Json<Sync>, ApiError> {
    let request = SyncRequest::from_json(&body)?;
    let caller = call.caller_in(&front, &body)?;
    Ok(Json(front.services().await?.chat.sync(&caller, request).await?))
}
