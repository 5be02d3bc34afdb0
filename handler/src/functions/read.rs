use axum::Json;
use axum::extract::State;

use super::Front;
use super::call::{Call, RoomInPath};
use super::fields::{Fields, missing};
use crate::chat::{DirectRead, ReadUpTo};
use crate::error::ApiError;

/// `PUT api/rooms/{id}/read`: the caller has read the room up to a `seq`. Repeatable; never lowered.
pub(super) async fn room(
    State(front): State<Front>,
    call: Call,
    RoomInPath(room): RoomInPath,
    fields: Fields,
) -> Result<Json<ReadUpTo>, ApiError> {
    let seq = fields.number(&["seq"])?.ok_or_else(|| missing("seq"))?;
    let caller = call.caller_with(&front, &fields)?;
    Ok(Json(front.services().await?.chat.mark_read(&caller, &room, seq).await?))
}

/// `PUT api/messages/read?with=USER`: the caller has read the direct conversation up to a `seq`.
pub(super) async fn direct(
    State(front): State<Front>,
    call: Call,
    fields: Fields,
) -> Result<Json<DirectRead>, ApiError> {
    let with = call.query("with").ok_or_else(|| missing("with"))?;
    let seq = fields.number(&["seq"])?.ok_or_else(|| missing("seq"))?;
    let caller = call.caller_with(&front, &fields)?;
    Ok(Json(front.services().await?.chat.mark_read_direct(&caller, with, seq).await?))
}
