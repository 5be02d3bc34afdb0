use axum::Json;
use axum::extract::State;

use super::Front;
use super::call::{Call, MessageInPath, RoomInPath};
use super::fields::JsonBytes;
use crate::chat::{Pins, PinsChanged, ReaderPage};
use crate::error::ApiError;

/// `GET api/rooms/{id}/pins`: the pinned messages, in the order of pinning.
pub(super) async fn list(
    State(front): State<Front>,
    call: Call,
    RoomInPath(room): RoomInPath,
) -> Result<Json<Pins>, ApiError> {
    let caller = call.caller_or_guest(&front).await?;
    Ok(Json(front.services().await?.chat.pinned(&caller, &room).await?))
}

/// `PUT api/rooms/{id}/pins/{seq}`: pins a message; moderators.
pub(super) async fn pin(
    State(front): State<Front>,
    call: Call,
    path: MessageInPath,
    JsonBytes(body): JsonBytes,
) -> Result<Json<PinsChanged>, ApiError> {
    change(&front, &call, path, &body, true).await
}

/// `DELETE api/rooms/{id}/pins/{seq}`: unpins it.
pub(super) async fn unpin(
    State(front): State<Front>,
    call: Call,
    path: MessageInPath,
    JsonBytes(body): JsonBytes,
) -> Result<Json<PinsChanged>, ApiError> {
    change(&front, &call, path, &body, false).await
}

async fn change(
    front: &Front,
    call: &Call,
    MessageInPath { room, seq }: MessageInPath,
    body: &[u8],
    on: bool,
) -> Result<Json<PinsChanged>, ApiError> {
    let caller = call.caller_in(front, body)?;
    let room = room.unwrap_or_default();
    Ok(Json(front.services().await?.chat.pin(&caller, &room, seq, on).await?))
}

/// `GET api/rooms/{id}/messages/{seq}/readers`: who has read a message; members.
pub(super) async fn readers(
    State(front): State<Front>,
    call: Call,
    MessageInPath { room, seq }: MessageInPath,
) -> Result<Json<ReaderPage>, ApiError> {
    let limit = call.limit()?;
    let caller = call.caller(&front, None)?;
    let (room, after) = (room.unwrap_or_default(), call.query("after"));
    Ok(Json(front.services().await?.chat.readers(&caller, &room, seq, after, limit).await?))
}
