use axum::Json;
use axum::extract::State;

use super::Front;
use super::call::{Call, RoomInPath};
use super::fields::missing;
use crate::chat::{OnlinePage, Presences};
use crate::error::ApiError;

/// `GET api/rooms/{id}/online`: the members with a live connection.
pub(super) async fn in_room(
    State(front): State<Front>,
    call: Call,
    RoomInPath(room): RoomInPath,
) -> Result<Json<OnlinePage>, ApiError> {
    let (after, limit) = (call.query("after"), call.limit()?);
    let caller = call.caller_or_guest(&front).await?;
    Ok(Json(front.services().await?.chat.online_in(&caller, &room, after, limit).await?))
}

/// `GET api/presence?user=…`, repeated for several: whether they are online, and when they were last seen. For callers with
/// a name.
pub(super) async fn of_users(State(front): State<Front>, call: Call) -> Result<Json<Presences>, ApiError> {
    call.caller(&front, None)?;
    let users = call.queries("user");
    if users.is_empty() {
        return Err(missing("user"));
    }
    Ok(Json(front.services().await?.chat.presence_of("user", &users).await?))
}
