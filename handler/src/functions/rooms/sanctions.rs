//! `api/rooms/{id}/bans` and `…/mutes`: who is kept out of a room, and who may only read it.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::chat::{NewSanction, SanctionPage, SanctionView};
use crate::error::ApiError;
use crate::functions::Front;
use crate::functions::call::{Call, RoomInPath};
use crate::functions::fields::{Fields, JsonBytes, missing};
use crate::model::{SanctionKind, UserId};

#[derive(Serialize)]
pub(in crate::functions) struct Lifted {
    status: &'static str,
    room_id: String,
    user: String,
}

#[derive(Serialize)]
pub(in crate::functions) struct Bans {
    bans: Vec<SanctionView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<UserId>,
}

#[derive(Serialize)]
pub(in crate::functions) struct Mutes {
    mutes: Vec<SanctionView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<UserId>,
}

/// `POST api/rooms/{id}/bans`: takes a user out and keeps them out. The same once more changes nothing.
pub(in crate::functions) async fn ban(
    State(front): State<Front>,
    call: Call,
    RoomInPath(room): RoomInPath,
    fields: Fields,
) -> Result<Json<SanctionView>, ApiError> {
    lay(&front, &call, &room, SanctionKind::Ban, &fields).await
}

/// `POST api/rooms/{id}/mutes`: lets a user read and not write. The same once more changes nothing.
pub(in crate::functions) async fn mute(
    State(front): State<Front>,
    call: Call,
    RoomInPath(room): RoomInPath,
    fields: Fields,
) -> Result<Json<SanctionView>, ApiError> {
    lay(&front, &call, &room, SanctionKind::Mute, &fields).await
}

/// `DELETE api/rooms/{id}/bans`: the user may come back. Repeatable.
pub(in crate::functions) async fn unban(
    State(front): State<Front>,
    call: Call,
    RoomInPath(room): RoomInPath,
    JsonBytes(body): JsonBytes,
) -> Result<Json<Lifted>, ApiError> {
    let user = lift(&front, &call, &room, SanctionKind::Ban, &body).await?;
    Ok(Json(Lifted { status: "unbanned", room_id: room, user }))
}

/// `DELETE api/rooms/{id}/mutes`: the user may write again. Repeatable.
pub(in crate::functions) async fn unmute(
    State(front): State<Front>,
    call: Call,
    RoomInPath(room): RoomInPath,
    JsonBytes(body): JsonBytes,
) -> Result<Json<Lifted>, ApiError> {
    let user = lift(&front, &call, &room, SanctionKind::Mute, &body).await?;
    Ok(Json(Lifted { status: "unmuted", room_id: room, user }))
}

/// `GET api/rooms/{id}/bans`: those in force, by user id.
pub(in crate::functions) async fn bans(
    State(front): State<Front>,
    call: Call,
    RoomInPath(room): RoomInPath,
) -> Result<Json<Bans>, ApiError> {
    let SanctionPage { sanctions: bans, next } = list(&front, &call, &room, SanctionKind::Ban).await?;
    Ok(Json(Bans { bans, next }))
}

/// `GET api/rooms/{id}/mutes`: those in force, by user id.
pub(in crate::functions) async fn mutes(
    State(front): State<Front>,
    call: Call,
    RoomInPath(room): RoomInPath,
) -> Result<Json<Mutes>, ApiError> {
    let SanctionPage { sanctions: mutes, next } = list(&front, &call, &room, SanctionKind::Mute).await?;
    Ok(Json(Mutes { mutes, next }))
}

async fn lay(
    front: &Front,
    call: &Call,
    room: &str,
    kind: SanctionKind,
    fields: &Fields,
) -> Result<Json<SanctionView>, ApiError> {
    let new = NewSanction {
        user: fields.required_text(&["user"])?.to_owned(),
        duration_secs: fields.number(&["duration"])?,
        reason: fields.text(&["reason"])?.map(str::to_owned),
    };
    let caller = call.caller_with(front, fields)?;
    Ok(Json(front.services().await?.chat.sanction(&caller, room, kind, new).await?))
}

/// The user stands in the query, or in the body.
async fn lift(
    front: &Front,
    call: &Call,
    room: &str,
    kind: SanctionKind,
    body: &[u8],
) -> Result<String, ApiError> {
    let fields = Fields::optional(body)?;
    let user = call.query("user").map_or_else(|| fields.text(&["user"]), |user| Ok(Some(user)))?;
    let user = user.ok_or_else(|| missing("user"))?;
    let caller = call.caller_with(front, &fields)?;
    front.services().await?.chat.lift(&caller, room, kind, user).await?;
    Ok(user.to_owned())
}

async fn list(front: &Front, call: &Call, room: &str, kind: SanctionKind) -> Result<SanctionPage, ApiError> {
    let caller = call.caller(front, None)?;
    let chat = &front.services().await?.chat;
    Ok(chat.list_sanctions(&caller, room, kind, call.query("after"), call.limit()?).await?)
}
