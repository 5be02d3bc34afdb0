use std::sync::Arc;

use super::{Caller, Chat, Refused};
use crate::model::{ConversationId, MessageId, RoomId};

/// A message as somebody wants to send it, read but not yet judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Submission {
    pub sender: Option<String>,
    pub room: Option<String>,
    pub receiver: Option<String>,
    pub content: Option<String>,
    pub sent_at: Option<String>,
    pub attachment_url: Option<String>,
    pub message_id: Option<String>,
    pub reply_to: Option<u64>,
}

/// The queue has the message durably.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    pub message_id: MessageId,
    pub conversation: ConversationId,
    /// Id and name of the room, for a message to one.
    pub room: Option<(RoomId, Arc<str>)>,
}

impl Submission {
    /// Reads a JSON object. Names count without case and underscores (`SenderID` = `sender_id`), with the short forms
    /// `sender`, `receiver`/`to`, `room`, `content`/`text`, `id`; unknown ones are ignored, null is absent.
    pub fn from_json(body: &[u8]) -> Result<Self, Refused> {
        todo!("{}", body.len())
    }
}

impl Chat {
    /// Checks the message and hands it to the queue. `repeat_key` names the request where the sender gave the message no
    /// id: the same for a repeat of the same request (an invocation id).
    pub async fn send_message(
        &self,
        caller: &Caller,
        submission: Submission,
        repeat_key: Option<&str>,
    ) -> Result<Accepted, Refused> {
        todo!()
    }
}
