use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::Front;
use super::call::{Call, MessageInPath};
use super::fields::{Fields, JsonBytes, missing};
use crate::chat::ReactionsView;
use crate::error::ApiError;

/// `GET api/rooms/{id}/messages/{seq}/reactions` and the same of `api/messages/{seq}`: how often each emoji was set, or,
/// with `emoji`, by whom.
pub(super) async fn list(
    State(front): State<Front>,
    call: Call,
    path: MessageInPath,
) -> Result<Response, ApiError> {
    let venue = path.venue(&call)?;
    let limit = call.limit()?;
    let caller = match &path.room {
        Some(_) => call.caller_or_guest(&front).await?,
        None => call.caller(&front, None)?,
    };
    let chat = &front.services().await?.chat;
    match call.query("emoji") {
        None => Ok(Json(chat.reactions(&caller, &venue, path.seq).await?).into_response()),
        Some(emoji) => {
            let page = chat.reacted(&caller, &venue, path.seq, emoji, call.query("after"), limit).await?;
            Ok(Json(page).into_response())
        }
    }
}

/// `PUT` of the same paths: sets the caller's emoji.
pub(super) async fn set(
    State(front): State<Front>,
    call: Call,
    path: MessageInPath,
    JsonBytes(body): JsonBytes,
) -> Result<Json<ReactionsView>, ApiError> {
    react(&front, &call, &path, &body, true).await
}

/// `DELETE` of the same paths: takes it away.
pub(super) async fn remove(
    State(front): State<Front>,
    call: Call,
    path: MessageInPath,
    JsonBytes(body): JsonBytes,
) -> Result<Json<ReactionsView>, ApiError> {
    react(&front, &call, &path, &body, false).await
}

async fn react(
    front: &Front,
    call: &Call,
    path: &MessageInPath,
    body: &[u8],
    on: bool,
) -> Result<Json<ReactionsView>, ApiError> {
    let venue = path.venue(call)?;
    let fields = Fields::optional(body)?;
    let emoji = call.query("emoji").map_or_else(|| fields.text(&["emoji"]), |emoji| Ok(Some(emoji)))?;
    let emoji = emoji.ok_or_else(|| missing("emoji"))?;
    let caller = call.caller_with(front, &fields)?;
    let chat = &front.services().await?.chat;
    let changed = chat.react(&caller, &venue, path.seq, emoji, on).await?;
    Ok(Json(ReactionsView::new(&caller.user, &changed.message)))
}
