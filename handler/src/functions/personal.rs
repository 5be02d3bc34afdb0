//! A person's own data: all of it in pages, and its erasure.

use axum::Json;
use axum::extract::State;
use http::StatusCode;

use super::Front;
use super::call::Call;
use super::fields::{Fields, JsonBytes};
use crate::chat::{ErasureView, ExportPage};
use crate::error::ApiError;

/// `GET api/me/export?after=`: a page of what there is of the caller; with `user`, for admins, of somebody else.
pub(super) async fn export(State(front): State<Front>, call: Call) -> Result<Json<ExportPage>, ApiError> {
    let caller = call.caller(&front, None)?;
    let chat = &front.services().await?.chat;
    Ok(Json(chat.export(&caller, call.query("user"), call.query("after")).await?))
}

/// `GET api/me/erasure`: how far it has come.
pub(super) async fn erasure(State(front): State<Front>, call: Call) -> Result<Json<ErasureView>, ApiError> {
    let caller = call.caller(&front, None)?;
    Ok(Json(front.services().await?.chat.erasure(&caller, call.query("user")).await?))
}

/// `POST api/me/erasure`: erases the caller; with `user`, for admins, somebody else.
pub(super) async fn erase(
    State(front): State<Front>,
    call: Call,
    JsonBytes(body): JsonBytes,
) -> Result<(StatusCode, Json<ErasureView>), ApiError> {
    let fields = Fields::optional(&body)?;
    let caller = call.caller_with(&front, &fields)?;
    let user = fields.text(&["user"])?;
    Ok((StatusCode::ACCEPTED, Json(front.services().await?.chat.erase(&caller, user).await?)))
}
