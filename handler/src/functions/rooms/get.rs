use axum::Json;
use axum::extract::State;

use crate::chat::RoomView;
use crate::error::ApiError;
use crate::functions::Front;
use crate::functions::call::{Call, RoomInPath};

/// `GET api/rooms/{id}`.
pub(in crate::functions) async fn handle(
    State(front): State<Front>,
    call: Call,
    RoomInPath(room): RoomInPath,
) -> Result<Json<RoomView>, ApiError> {
    let caller = call.caller_or_guest(&front).await?;
    Ok(Json(front.services().await?.chat.get_room(&caller, &room).await?))
}
