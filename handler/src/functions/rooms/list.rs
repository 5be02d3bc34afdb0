use axum::Json;
use axum::extract::State;

use crate::chat::{Refused, RoomPage};
use crate::error::ApiError;
use crate::functions::Front;
use crate::functions::call::Call;
use crate::model::RoomId;

const PAGE: usize = 100;

/// `GET api/rooms`: the rooms the caller may see, by id; nobody in particular sees the public ones.
pub(in crate::functions) async fn handle(
    State(front): State<Front>,
    call: Call,
) -> Result<Json<RoomPage>, ApiError> {
    let after =
        call.query("after").map(RoomId::new).transpose().map_err(|why| Refused::bad_id("after", &why))?;
    let limit = call.number("limit")?.map_or(PAGE, |limit| usize::try_from(limit).unwrap_or(PAGE));
    let caller = call.caller_or_guest(&front).await?;
    Ok(Json(front.services().await?.chat.list_rooms(&caller, after.as_ref(), limit).await?))
}
