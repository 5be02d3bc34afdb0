use axum::Json;
use axum::extract::State;

use super::Front;
use super::call::{Call, RoomInPath};
use super::fields::missing;
use crate::chat::{History, PageRequest};
use crate::error::{ApiError, Kind};

/// `GET api/rooms/{id}/messages`: a page of a room's history.
pub(super) async fn of_room(
    State(front): State<Front>,
    call: Call,
    RoomInPath(room): RoomInPath,
) -> Result<Json<History>, ApiError> {
    let page = page(&call)?;
    let caller = call.caller_or_guest(&front).await?;
    Ok(Json(front.services().await?.chat.room_history(&caller, &room, page).await?))
}

/// `GET api/messages?with=USER`: a page of what the caller and the other wrote to each other.
pub(super) async fn direct(State(front): State<Front>, call: Call) -> Result<Json<History>, ApiError> {
    let page = page(&call)?;
    let with = call.query("with").ok_or_else(|| missing("with"))?;
    let caller = call.caller(&front, None)?;
    Ok(Json(front.services().await?.chat.direct_history(&caller, with, page).await?))
}

fn page(call: &Call) -> Result<PageRequest, ApiError> {
    let (after, before) = (call.number("after")?, call.number("before")?);
    if after.is_some() && before.is_some() {
        return Err(ApiError::field(Kind::TwoCursors, "before", "Give after or before, not both."));
    }
    let limit = call.limit()?;
    Ok(PageRequest { after, before, limit })
}
