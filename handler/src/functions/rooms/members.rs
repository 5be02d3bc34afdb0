//! `api/rooms/{id}/members`: who is in a room. User ids stand in the query or the body, never in a path.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::chat::{MemberPage, MemberQuery, MemberView, role_named};
use crate::error::{ApiError, Kind};
use crate::functions::Front;
use crate::functions::call::{Call, RoomInPath};
use crate::functions::fields::{Fields, missing};

#[derive(Serialize)]
pub(in crate::functions) struct Removed {
    status: &'static str,
    room_id: String,
    user: String,
}

/// `GET api/rooms/{id}/members`: by user id; with `online=true` those with a live connection.
pub(in crate::functions) async fn list(
    State(front): State<Front>,
    call: Call,
    RoomInPath(room): RoomInPath,
) -> Result<Json<MemberPage>, ApiError> {
    let query = MemberQuery {
        after: call.query("after").map(str::to_owned),
        limit: call.limit()?,
        only_online: match call.query("online") {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => {
                return Err(ApiError::field(Kind::InvalidField, "online", "online must be true or false."));
            }
        },
    };
    let caller = call.caller_or_guest(&front).await?;
    Ok(Json(front.services().await?.chat.list_members(&caller, &room, &query).await?))
}

/// `POST api/rooms/{id}/members`: adds a user. Changes nothing for a member.
pub(in crate::functions) async fn add(
    State(front): State<Front>,
    call: Call,
    RoomInPath(room): RoomInPath,
    fields: Fields,
) -> Result<Json<MemberView>, ApiError> {
    let user = fields.required_text(&["user"])?;
    let role = fields.text(&["role"])?.map(role_named).transpose()?.unwrap_or_default();
    let caller = call.caller_with(&front, &fields)?;
    Ok(Json(front.services().await?.chat.add_member(&caller, &room, user, role).await?))
}

/// `PATCH api/rooms/{id}/members`: sets a member's role.
pub(in crate::functions) async fn change(
    State(front): State<Front>,
    call: Call,
    RoomInPath(room): RoomInPath,
    fields: Fields,
) -> Result<Json<MemberView>, ApiError> {
    let (user, role) = (fields.required_text(&["user"])?, role_named(fields.required_text(&["role"])?)?);
    let caller = call.caller_with(&front, &fields)?;
    Ok(Json(front.services().await?.chat.change_role(&caller, &room, user, role).await?))
}

/// `DELETE api/rooms/{id}/members?user=…&reason=…`: takes a user out. Repeatable.
pub(in crate::functions) async fn remove(
    State(front): State<Front>,
    call: Call,
    RoomInPath(room): RoomInPath,
) -> Result<Json<Removed>, ApiError> {
    let user = call.query("user").ok_or_else(|| missing("user"))?;
    let reason = call.query("reason");
    let caller = call.caller(&front, None)?;
    front.services().await?.chat.remove_member(&caller, &room, user, reason).await?;
    Ok(Json(Removed { status: "removed", user: user.to_owned(), room_id: room }))
}
