use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::Front;
use super::call::Call;
use super::fields::JsonBytes;
use crate::chat::{Accepted, Submission};
use crate::error::ApiError;

/// `POST api/sendMessage`: answered when the queue has the message durably.
pub(super) async fn handle(
    State(front): State<Front>,
    call: Call,
    JsonBytes(body): JsonBytes,
) -> Result<Json<Receipt>, ApiError> {
    let submission = Submission::from_json(&body)?;
    let caller = call.caller(&front, submission.sender.as_deref().map(|sender| ("SenderID", sender)))?;
    let accepted = front.services().await?.chat.send_message(&caller, submission, call.invocation()).await?;
    Ok(Json(accepted.into()))
}

/// What a sender is told of an accepted message.
#[derive(Serialize)]
pub(super) struct Receipt {
    status: &'static str,
    #[serde(rename = "MessageID")]
    message_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    room_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room_name: Option<String>,
}

impl From<Accepted> for Receipt {
    fn from(accepted: Accepted) -> Self {
        let (room_id, room_name) = accepted.room.map(|(id, name)| (id.into(), name.to_string())).unzip();
        Self { status: "accepted", message_id: accepted.message_id.into(), room_id, room_name }
    }
}
