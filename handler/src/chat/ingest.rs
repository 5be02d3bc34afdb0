use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::known::AT_INGEST;
use super::message::{ROOM_PROPERTY, Target};
use super::{Caller, Chat, QueuedMessage, Refused, Submission};
use crate::model::{ConversationId, InvalidId, MessageId, RoomId};
use crate::ports::{Entity, Outgoing, Position, Properties};

/// The queue has the message durably.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    pub message_id: MessageId,
    pub conversation: ConversationId,
    /// Id and name of the room, for a message to one. The name is the id where the room is gone.
    pub room: Option<(RoomId, Arc<str>)>,
}

impl Accepted {
    fn new(queued: QueuedMessage, room: Option<(RoomId, Arc<str>)>) -> Self {
        Self { message_id: queued.message.id, conversation: queued.conversation, room }
    }
}

impl Chat {
    /// Checks the message and hands it to the queue. `repeat_key` names the request where the sender gave the message no
    /// id: the same for a repeat of the same request (an invocation id).
    ///
    /// A repeat of a message that is in the log gets the first answer, whatever has become of the room since.
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
                let room = match self.may_send(id, &caller.user, AT_INGEST).await {
                    Ok(room) => Arc::from(room.name.as_str()),
                    Err(refused) => {
                        self.first_position(&queued, refused).await?;
                        let room = self.known.room(id, AT_INGEST).await?;
                        let name =
                            room.map_or_else(|| Arc::from(id.as_str()), |room| Arc::from(room.name.as_str()));
                        let room = Some((id.clone(), name));
                        return Ok(Accepted::new(queued, room));
                    }
                };
                let properties = Properties::from([(ROOM_PROPERTY.to_owned(), id.to_string())]);
                (Entity::Topic, Some((id.clone(), room)), properties)
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
        Ok(Accepted::new(queued, room))
    }

    /// Where the message stands, if it is in the log from before; else the refusal of it.
    pub(super) async fn first_position(
        &self,
        message: &QueuedMessage,
        refused: Refused,
    ) -> Result<Position, Refused> {
        if refused.is_unavailable() {
            return Err(refused);
        }
        self.ports.log.find(&message.conversation, &message.marker).await?.ok_or(refused)
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
