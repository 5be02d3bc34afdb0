use axum::Json;
use axum::extract::State;

use super::Front;
use super::call::Call;
use crate::chat::LetterPage;
use crate::error::{ApiError, Kind};
use crate::ports::LetterKind;

/// `GET api/admin/letters?kind=rejected|dead`: accepted messages that did not reach their log, with the reason. Oldest
/// first; for admins.
pub(super) async fn handle(State(front): State<Front>, call: Call) -> Result<Json<LetterPage>, ApiError> {
    let kind = match call.query("kind") {
        None | Some("rejected") => LetterKind::Rejected,
        Some("dead") => LetterKind::Dead,
        Some(_) => return Err(ApiError::field(Kind::InvalidField, "kind", "kind must be rejected or dead.")),
    };
    let limit = call.limit()?;
    let caller = call.caller(&front, None)?;
    let chat = &front.services().await?.chat;
    Ok(Json(chat.list_letters(&caller, kind, call.query("after"), limit).await?))
}
