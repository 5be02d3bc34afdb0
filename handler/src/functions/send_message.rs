use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::Front;
use super::call::Call;
use super::fields::JsonBytes;
use crate::chat::{Status, Submission};
use crate::error::ApiError;
use crate::model::MessageId;

#[derive(Serialize)]
pub(super) struct Receipt {
    status: &'static str,
    #[serde(rename = "MessageID")]
    message_id: MessageId,
}

/// `POST api/sendMessage`: answered when the queue has the message durably, or, `held`, those who review it.
pub(super) async fn handle(
    State(front): State<Front>,
    call: Call,
    JsonBytes(body): JsonBytes,
) -> Result<Json<Receipt>, ApiError> {
    let submission = Submission::from_json(&body)?;
    let caller = call.sender(&front, &submission)?;
    let accepted = front.services().await?.chat.send_message(&caller, submission, call.invocation()).await?;
    let status = match accepted.status {
        Status::Accepted => "accepted",
        Status::Held => "held",
    };
    Ok(Json(Receipt { status, message_id: accepted.message_id }))
}
