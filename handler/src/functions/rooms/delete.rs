use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::error::ApiError;
use crate::functions::Front;
use crate::functions::call::{Call, RoomInPath};
use crate::model::RoomId;

#[derive(Serialize)]
pub(in crate::functions) struct Deleted {
    status: &'static str,
    room_id: RoomId,
}

/// `DELETE api/rooms/{id}`: its creator, or an admin. A repeat under the same key gets the first answer, any other 404.
pub(in crate::functions) async fn handle(
    State(front): State<Front>,
    call: Call,
    RoomInPath(room): RoomInPath,
) -> Result<Json<Deleted>, ApiError> {
    let caller = call.caller(&front, None)?;
    let key = call.idempotency_key()?;
    let room_id = front.services().await?.chat.delete_room(&caller, &room, key).await?;
    Ok(Json(Deleted { status: "deleted", room_id }))
}
