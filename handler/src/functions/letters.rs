use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::Front;
use super::call::Call;
use crate::chat::page_length;
use crate::error::{ApiError, Kind};
use crate::ports::{Letter, LetterKind};

const PAGE: usize = 100;

#[derive(Serialize)]
pub(super) struct Letters {
    letters: Vec<Letter>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// `GET api/admin/letters?kind=rejected|dead`: accepted messages that did not reach their log, with the reason. Oldest
/// first; for admins.
pub(super) async fn handle(State(front): State<Front>, call: Call) -> Result<Json<Letters>, ApiError> {
    let kind = match call.query("kind") {
        None | Some("rejected") => LetterKind::Rejected,
        Some("dead") => LetterKind::Dead,
        Some(_) => return Err(ApiError::field(Kind::InvalidField, "kind", "kind must be rejected or dead.")),
    };
    let limit = page_length(call.limit()?, PAGE, PAGE)?;
    let letters = &front.services().await?.ports.letters;
    let letters = letters.list(kind, call.query("after"), limit).await?;
    let next = (letters.len() == limit).then(|| letters.last().map(|letter| letter.id.clone())).flatten();
    Ok(Json(Letters { letters, next }))
}
