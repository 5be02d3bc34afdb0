use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::Front;
use super::call::Call;
use super::fields::JsonBytes;
use crate::chat::{Naming, Status, Submission};
use crate::error::ApiError;
use crate::model::{AttachmentId, MessageId};

/// Where a message goes that names no room, or all of them.
const DEFAULT_ROOM: &str = "general";
/// How the query names the sender.
const SENDER: [&str; 2] = ["sender", "sender_id"];

#[derive(Serialize)]
pub(super) struct Receipt {
    status: &'static str,
    /// The room's name.
    room: String,
    id: MessageId,
    /// Where the file goes whose name stood in `attachment_url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    attachment_id: Option<AttachmentId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upload_url: Option<String>,
}

/// `POST api/publish`: a message to a room. Room, content and sender may stand in the query as well as in the body,
/// which may be empty then.
pub(super) async fn handle(
    State(front): State<Front>,
    call: Call,
    JsonBytes(body): JsonBytes,
) -> Result<Json<Receipt>, ApiError> {
    let submission = read(&call, &body)?;
    let caller = call.sender(&front, &submission)?;
    let accepted = front.services().await?.chat.send_message(&caller, submission, call.invocation()).await?;
    let room = accepted.room_name.map(|name| name.to_string()).unwrap_or_default();
    let status = match accepted.status {
        Status::Accepted => "success",
        Status::Held => "held",
    };
    let (attachment_id, upload_url) = accepted.upload.map(|ticket| (ticket.id, ticket.upload_url)).unzip();
    Ok(Json(Receipt { status, room, id: accepted.message_id, attachment_id, upload_url }))
}

fn read(call: &Call, body: &[u8]) -> Result<Submission, ApiError> {
    let mut submission = if body.is_empty() { Submission::default() } else { Submission::from_json(body)? };
    for name in SENDER {
        call.is_you(name, call.query(name))?;
    }
    let query = |names: &[&str]| names.iter().find_map(|name| call.query(name)).map(str::to_owned);
    submission.room = submission.room.or_else(|| query(&["room_id", "room"]));
    submission.content = submission.content.or_else(|| query(&["content", "message", "text"]));
    submission.sender = submission.sender.or_else(|| query(&SENDER));
    submission.receiver = None;
    submission.naming = Naming::Snake;
    if submission.room.as_deref().is_none_or(|room| room == "all") {
        submission.room = Some(DEFAULT_ROOM.to_owned());
    }
    Ok(submission)
}
