use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::Front;
use super::call::Call;
use super::fields::JsonBytes;
use crate::chat::{Status, Submission};
use crate::error::ApiError;
use crate::model::{AttachmentId, MessageId};

#[derive(Serialize)]
pub(super) struct Receipt {
    status: &'static str,
    #[serde(rename = "MessageID")]
    message_id: MessageId,
    /// Where the file goes whose name stood in `AttachmentURL`.
    #[serde(rename = "AttachmentID", skip_serializing_if = "Option::is_none")]
    attachment_id: Option<AttachmentId>,
    #[serde(rename = "UploadURL", skip_serializing_if = "Option::is_none")]
    upload_url: Option<String>,
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
    let (attachment_id, upload_url) = accepted.upload.map(|ticket| (ticket.id, ticket.upload_url)).unzip();
    Ok(Json(Receipt { status, message_id: accepted.message_id, attachment_id, upload_url }))
}
