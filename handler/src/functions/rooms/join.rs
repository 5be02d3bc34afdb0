use axum::Json;
use axum::extract::State;

use crate::chat::RoomView;
use crate::error::ApiError;
use crate::functions::Front;
use crate::functions::call::{Call, RoomInPath};
use crate::functions::fields::JsonBytes;

/// `POST api/rooms/{id}/join`: the caller becomes a member. Repeatable.
pub(in crate::functions) async fn handle(
    State(front): State<Front>,
    call: Call,
    RoomInPath(room): RoomInPath,
    JsonBytes(body): JsonBytes,
) -> Result<Json<RoomView>, ApiError> {
    let caller = call.caller_in(&front, &body)?;
    Ok(Json(front.services().await?.chat.join_room(&caller, &room).await?))
}
