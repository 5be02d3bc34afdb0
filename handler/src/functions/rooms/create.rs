use axum::Json;
use axum::extract::State;
use http::header::LOCATION;
use http::{HeaderName, StatusCode};

use crate::chat::{NewRoom, RoomView};
use crate::error::ApiError;
use crate::functions::Front;
use crate::functions::call::Call;
use crate::functions::fields::Fields;

/// `POST api/rooms`: a room with the caller as owner. A repeat under the same key gets the first answer.
pub(in crate::functions) async fn handle(
    State(front): State<Front>,
    call: Call,
    fields: Fields,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<RoomView>), ApiError> {
    let new = read(&fields)?;
    let caller = call.caller_named(&front, &fields, &["user_id", "userId", "created_by"])?;
    let room = front.services().await?.chat.create_room(&caller, new, call.idempotency_key()?).await?;
    let location = format!("/api/rooms/{}", room.id);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(room)))
}

fn read(fields: &Fields) -> Result<NewRoom, ApiError> {
    let allowed = fields.texts(&["allowed_users", "allowedUsers"])?.unwrap_or_default();
    Ok(NewRoom {
        name: fields.required_text(&["name", "room_name", "roomName"])?.to_owned(),
        description: fields.text(&["description"])?.unwrap_or_default().to_owned(),
        is_private: fields.flag(&["is_private", "isPrivate"])?.unwrap_or(false),
        allowed_users: allowed.into_iter().map(str::to_owned).collect(),
    })
}
