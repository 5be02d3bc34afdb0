use axum::Json;
use axum::extract::State;

use super::Front;
use super::call::{Call, MessageInPath};
use super::fields::{Fields, JsonBytes};
use crate::chat::PresentMessage;
use crate::error::ApiError;

/// `GET api/rooms/{id}/messages/{seq}` and `GET api/messages/{seq}?with=USER`: one message in its present state.
pub(super) async fn get(
    State(front): State<Front>,
    call: Call,
    path: MessageInPath,
) -> Result<Json<PresentMessage>, ApiError> {
    let venue = path.venue(&call)?;
    let caller = match &path.room {
        Some(_) => call.caller_or_guest(&front).await?,
        None => call.caller(&front, None)?,
    };
    Ok(Json(front.services().await?.chat.message(&caller, &venue, path.seq).await?))
}

/// `PATCH` of the same paths: other content, by the message's author. A repeat under the same key is the same edit.
pub(super) async fn edit(
    State(front): State<Front>,
    call: Call,
    path: MessageInPath,
    fields: Fields,
) -> Result<Json<PresentMessage>, ApiError> {
    let venue = path.venue(&call)?;
    let content = fields.required_text(&["content", "MessageText", "text"])?.to_owned();
    let caller = call.caller_with(&front, &fields)?;
    let key = call.idempotency_key()?;
    let chat = &front.services().await?.chat;
    Ok(Json(chat.edit_message(&caller, &venue, path.seq, content, key).await?.message))
}

/// `DELETE` of the same paths: by the author, or in a room by its moderators, with a reason if they like (query or body).
pub(super) async fn delete(
    State(front): State<Front>,
    call: Call,
    path: MessageInPath,
    JsonBytes(body): JsonBytes,
) -> Result<Json<PresentMessage>, ApiError> {
    let venue = path.venue(&call)?;
    let fields = Fields::optional(&body)?;
    let reason = call.query("reason").map_or_else(|| fields.text(&["reason"]), |reason| Ok(Some(reason)))?;
    let caller = call.caller_with(&front, &fields)?;
    let chat = &front.services().await?.chat;
    Ok(Json(chat.delete_message(&caller, &venue, path.seq, reason).await?.message))
}
