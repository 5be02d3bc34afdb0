use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::known::AT_INGEST;
use super::message::{ROOM_PROPERTY, Target};
use super::{Caller, Chat, QueuedMessage, Refused, Submission};
use crate::model::{ConversationId, InvalidId, MessageId, RoomId};
use crate::ports::{Entity, Outgoing, Properties};

/// The queue has the message durably.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    pub message_id: MessageId,
    pub conversation: ConversationId,
    /// Id and name of the room, for a message to one.
    pub room: Option<(RoomId, Arc<str>)>,
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
        let queued = self.judge(caller, submission, repeat_key)?;
        let (entity, room, properties) = match &queued.target {
            Target::Direct(_) => (Entity::Queue, None, Properties::new()),
            Target::Room(id) => {
                let room = self.may_send(id, &caller.user, AT_INGEST).await?;
                let properties = Properties::from([(ROOM_PROPERTY.to_owned(), id.to_string())]);
                (Entity::Topic, Some((id.clone(), Arc::from(room.name.as_str()))), properties)
            }
        };
        let outgoing = Outgoing {
            entity,
            message_id: queued.marker.to_string(),
            session_id: queued.conversation.to_string(),
            body: queued.to_body(),
            properties,
        };
        self.ports.queue.send(outgoing).await?;
        self.counters.accepted.add(1);
        Ok(Accepted { message_id: queued.message.id, conversation: queued.conversation, room })
    }

    /// Everything about a message that its own words decide.
    pub(super) fn judge(
        &self,
        caller: &Caller,
        submission: Submission,
        repeat_key: Option<&str>,
    ) -> Result<QueuedMessage, Refused> {
        submission.check_sender(&caller.user)?;
        let id = match (submission.message_id()?, repeat_key) {
            (Some(id), _) => id,
            (None, Some(key)) => id_of_key(key).unwrap_or_else(|_| self.ports.ids.message_id()),
            (None, None) => self.ports.ids.message_id(),
        };
        let (target, message) = submission.judge(caller.user.clone(), id)?;
        Ok(QueuedMessage::new(target, message, Some(self.ports.clock.now())))
    }
}

/// A key is its own id where it can be one, else its hash is.
fn id_of_key(key: &str) -> Result<MessageId, InvalidId> {
    MessageId::new(key).or_else(|_| MessageId::new(&hex::encode(Sha256::digest(key.as_bytes()))))
}
