use axum::Json;
use axum::extract::State;

use super::Front;
use super::call::Call;
use super::fields::{Fields, JsonBytes, missing};
use crate::chat::{Refused, SignedOut};
use crate::error::ApiError;
use crate::model::UserId;

/// `POST api/me/logout`: ends the caller's live connections, wherever they are.
pub(super) async fn own(
    State(front): State<Front>,
    call: Call,
    JsonBytes(body): JsonBytes,
) -> Result<Json<SignedOut>, ApiError> {
    let caller = call.caller_in(&front, &body)?;
    Ok(Json(front.services().await?.chat.sign_out(&caller, &caller.user).await?))
}

/// `POST api/admin/logout`: ends those of the user that the body names; for admins.
pub(super) async fn of_user(
    State(front): State<Front>,
    call: Call,
    fields: Fields,
) -> Result<Json<SignedOut>, ApiError> {
    let whom = fields.text(&["user"])?.ok_or_else(|| missing("user"))?;
    let whom = UserId::new(whom).map_err(|why| Refused::bad_id("user", &why))?;
    let caller = call.caller(&front, None)?;
    Ok(Json(front.services().await?.chat.sign_out(&caller, &whom).await?))
}
