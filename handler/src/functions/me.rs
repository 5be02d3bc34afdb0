use axum::Json;
use axum::extract::State;

use super::Front;
use super::call::Call;
use super::fields::Fields;
use crate::chat::ProfileView;
use crate::error::ApiError;

/// `GET api/me`: what the caller says of themself.
pub(super) async fn get(State(front): State<Front>, call: Call) -> Result<Json<ProfileView>, ApiError> {
    let caller = call.caller(&front, None)?;
    Ok(Json(front.services().await?.chat.profile(&caller).await?))
}

/// `PUT api/me`: replaces it. What is not given is taken away.
pub(super) async fn put(
    State(front): State<Front>,
    call: Call,
    fields: Fields,
) -> Result<Json<ProfileView>, ApiError> {
    let name = fields.text(&["display_name", "displayName"])?;
    let avatar = fields.text(&["avatar_url", "avatarUrl"])?;
    let caller = call.caller_with(&front, &fields)?;
    Ok(Json(front.services().await?.chat.set_profile(&caller, name, avatar).await?))
}
