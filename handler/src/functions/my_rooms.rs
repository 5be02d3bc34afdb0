use axum::Json;
use axum::extract::State;

use super::Front;
use super::call::Call;
use crate::chat::{MyRooms, Refused};
use crate::error::ApiError;
use crate::model::RoomId;

/// `GET api/me/rooms`: the rooms the caller is in, with the last message and what is unread.
pub(super) async fn handle(State(front): State<Front>, call: Call) -> Result<Json<MyRooms>, ApiError> {
    let after =
        call.query("after").map(RoomId::new).transpose().map_err(|why| Refused::bad_id("after", &why))?;
    let limit = call.limit()?;
    let caller = call.caller(&front, None)?;
    Ok(Json(front.services().await?.chat.my_rooms(&caller, after.as_ref(), limit).await?))
}
