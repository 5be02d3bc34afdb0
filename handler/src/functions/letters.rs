//! `api/admin/letters`: accepted messages that did not reach their log, with the reason; for admins. An id may hold what a
//! foreign producer wrote, so it travels in query or body.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::Front;
use super::call::Call;
use super::fields::{Fields, missing};
use crate::chat::{LetterPage, Replayed};
use crate::error::{ApiError, Kind};
use crate::ports::{Letter, LetterKind};

#[derive(Serialize)]
pub(super) struct Inspected {
    letter: Letter,
}

/// What became of a letter.
#[derive(Serialize)]
pub(super) struct Handled {
    status: &'static str,
    kind: LetterKind,
    id: String,
    #[serde(flatten)]
    replayed: Option<Replayed>,
}

/// `GET api/admin/letters?kind=rejected|dead|waiting`: oldest first.
pub(super) async fn list(State(front): State<Front>, call: Call) -> Result<Json<LetterPage>, ApiError> {
    let kind = call.query("kind").map_or(Ok(LetterKind::Rejected), kind_named)?;
    let limit = call.limit()?;
    let caller = call.caller(&front, None)?;
    let chat = &front.services().await?.chat;
    Ok(Json(chat.list_letters(&caller, kind, call.query("after"), limit).await?))
}

/// `GET api/admin/letters/one?kind=…&id=…`: one letter, with what was tried with it.
pub(super) async fn inspect(State(front): State<Front>, call: Call) -> Result<Json<Inspected>, ApiError> {
    let kind = kind_named(call.query("kind").ok_or_else(|| missing("kind"))?)?;
    let id = call.query("id").ok_or_else(|| missing("id"))?;
    let caller = call.caller(&front, None)?;
    let letter = front.services().await?.chat.letter(&caller, kind, id).await?;
    Ok(Json(Inspected { letter }))
}

/// `POST api/admin/letters/replay` `{"kind","id"}`: delivers it now. Once it was appended, or is held for review, the letter is
/// gone.
pub(super) async fn replay(
    State(front): State<Front>,
    call: Call,
    fields: Fields,
) -> Result<Json<Handled>, ApiError> {
    let (kind, id) = named(&fields)?;
    let caller = call.caller_with(&front, &fields)?;
    let replayed = front.services().await?.chat.replay_letter(&caller, kind, &id).await?;
    let status = match &replayed {
        Replayed::Appended { .. } => "replayed",
        Replayed::Held { .. } => "held",
    };
    Ok(Json(Handled { status, kind, id, replayed: Some(replayed) }))
}

/// `POST api/admin/letters/discard` `{"kind","id","reason"?}`: gives it up for good. Repeatable.
pub(super) async fn discard(
    State(front): State<Front>,
    call: Call,
    fields: Fields,
) -> Result<Json<Handled>, ApiError> {
    let (kind, id) = named(&fields)?;
    let reason = fields.text(&["reason"])?;
    let caller = call.caller_with(&front, &fields)?;
    front.services().await?.chat.discard_letter(&caller, kind, &id, reason).await?;
    Ok(Json(Handled { status: "discarded", kind, id, replayed: None }))
}

fn named(fields: &Fields) -> Result<(LetterKind, String), ApiError> {
    Ok((kind_named(fields.required_text(&["kind"])?)?, fields.required_text(&["id"])?.to_owned()))
}

fn kind_named(text: &str) -> Result<LetterKind, ApiError> {
    match text {
        "rejected" => Ok(LetterKind::Rejected),
        "dead" => Ok(LetterKind::Dead),
        "waiting" => Ok(LetterKind::Waiting),
        _ => Err(ApiError::field(Kind::InvalidField, "kind", "kind must be rejected, dead or waiting.")),
    }
}
