use axum::extract::State;
use http::StatusCode;

use crate::error::ApiError;
use crate::functions::Front;
use crate::functions::call::{Call, RoomInPath};

/// `DELETE api/rooms/{id}`: its creator, or an admin.
pub(in crate::functions) async fn handle(
    State(front): State<Front>,
    call: Call,
    RoomInPath(room): RoomInPath,
) -> Result<StatusCode, ApiError> {
    let caller = call.caller(&front, None)?;
    front.services().await?.chat.delete_room(&caller, &room).await?;
    Ok(StatusCode::NO_CONTENT)
}
