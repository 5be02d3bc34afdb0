use axum::Json;
use axum::extract::State;

use crate::chat::{RoomEdit, RoomView};
use crate::error::ApiError;
use crate::functions::Front;
use crate::functions::call::{Call, RoomInPath};
use crate::functions::fields::Fields;

/// `PATCH api/rooms/{id}`: what the body names is set, the rest stays.
pub(in crate::functions) async fn patch(
    State(front): State<Front>,
    call: Call,
    RoomInPath(room): RoomInPath,
    fields: Fields,
) -> Result<Json<RoomView>, ApiError> {
    change(&front, &call, &room, &fields, &read(&fields)?).await
}

/// `PUT api/rooms/{id}`: the whole room; `name` must be there, what else is missing takes its default. Its rules (`blocked_words`,
/// `links`) stay unless they are named.
pub(in crate::functions) async fn put(
    State(front): State<Front>,
    call: Call,
    RoomInPath(room): RoomInPath,
    fields: Fields,
) -> Result<Json<RoomView>, ApiError> {
    fields.required_text(&["name"])?;
    let given = read(&fields)?;
    let whole = RoomEdit {
        description: given.description.or_else(|| Some(String::new())),
        is_private: given.is_private.or(Some(false)),
        allowed_users: given.allowed_users.or_else(|| Some(Vec::new())),
        retention_days: given.retention_days.or(Some(0)),
        ..given
    };
    change(&front, &call, &room, &fields, &whole).await
}

async fn change(
    front: &Front,
    call: &Call,
    room: &str,
    fields: &Fields,
    edit: &RoomEdit,
) -> Result<Json<RoomView>, ApiError> {
    let caller = call.caller_with(front, fields)?;
    Ok(Json(front.services().await?.chat.change_room(&caller, room, edit).await?))
}

fn read(fields: &Fields) -> Result<RoomEdit, ApiError> {
    let allowed = fields.texts(&["allowed_users", "allowedUsers"])?;
    let blocked = fields.texts(&["blocked_words", "blockedWords"])?;
    Ok(RoomEdit {
        name: fields.text(&["name"])?.map(str::to_owned),
        description: fields.text(&["description"])?.map(str::to_owned),
        is_private: fields.flag(&["is_private", "isPrivate"])?,
        blocked_words: blocked.map(|words| words.into_iter().map(str::to_owned).collect()),
        links: fields.text(&["links"])?.map(str::to_owned),
        retention_days: fields.number(&["retention_days", "retentionDays"])?,
        allowed_users: allowed.map(|users| users.into_iter().map(str::to_owned).collect()),
    })
}
