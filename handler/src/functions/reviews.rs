//! Reports of messages, and what those who moderate do with them and with what is held.

use axum::Json;
use axum::extract::State;

use super::Front;
use super::call::{Call, MessageInPath, ReviewInPath, RoomInPath};
use super::fields::{Fields, JsonBytes};
use crate::chat::{Reported, ReviewPage, ReviewView, RulesView, desk_of};
use crate::error::ApiError;

/// `POST api/rooms/{id}/messages/{seq}/report` and `POST api/messages/{seq}/report?with=USER`: asks those who moderate to look
/// at a message. Once a user and message; a repeat changes nothing.
pub(super) async fn report(
    State(front): State<Front>,
    call: Call,
    path: MessageInPath,
    JsonBytes(body): JsonBytes,
) -> Result<Json<Reported>, ApiError> {
    let venue = path.venue(&call)?;
    let fields = Fields::optional(&body)?;
    let reason = fields.text(&["reason"])?;
    let caller = call.caller_with(&front, &fields)?;
    Ok(Json(front.services().await?.chat.report(&caller, &venue, path.seq, reason).await?))
}

/// `GET api/rooms/{id}/reviews`: what waits for a decision in the room, oldest first; for its moderators and admins.
pub(super) async fn of_room(
    State(front): State<Front>,
    call: Call,
    RoomInPath(room): RoomInPath,
) -> Result<Json<ReviewPage>, ApiError> {
    list(&front, &call, Some(&room)).await
}

/// `GET api/admin/reviews`: the same of direct messages, for admins.
pub(super) async fn of_pairs(State(front): State<Front>, call: Call) -> Result<Json<ReviewPage>, ApiError> {
    list(&front, &call, None).await
}

async fn list(front: &Front, call: &Call, room: Option<&str>) -> Result<Json<ReviewPage>, ApiError> {
    let (desk, limit) = (desk_of(room)?, call.limit()?);
    let caller = call.caller(front, None)?;
    Ok(Json(front.services().await?.chat.reviews(&caller, &desk, call.query("after"), limit).await?))
}

/// `POST api/rooms/{id}/reviews/{review}` and `POST api/admin/reviews/{review}`: `{"decision":"approve"|"remove","reason"?}`.
/// The same once more changes nothing.
pub(super) async fn decide(
    State(front): State<Front>,
    call: Call,
    path: ReviewInPath,
    fields: Fields,
) -> Result<Json<ReviewView>, ApiError> {
    let desk = desk_of(path.room.as_deref())?;
    let decision = fields.required_text(&["decision"])?;
    let reason = fields.text(&["reason"])?;
    let caller = call.caller_with(&front, &fields)?;
    let chat = &front.services().await?.chat;
    Ok(Json(chat.decide(&caller, &desk, &path.review, decision, reason).await?))
}

/// `GET api/rooms/{id}/rules`: what the room wants of its messages, for those who may change it (`PATCH api/rooms/{id}`).
pub(super) async fn rules(
    State(front): State<Front>,
    call: Call,
    RoomInPath(room): RoomInPath,
) -> Result<Json<RulesView>, ApiError> {
    let caller = call.caller(&front, None)?;
    Ok(Json(front.services().await?.chat.rules(&caller, &room).await?))
}
