use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::known::AT_INGEST;
use super::message::{ROOM_PROPERTY, Target};
use super::moderation::Repeats;
use super::{Caller, Chat, QueuedMessage, Refused, Submission, UploadTicket};
use crate::calls::Tally;
use crate::model::{AttachmentId, InvalidId, MessageId, UserId};
use crate::ports::{Entity, Outgoing, Position, Properties};
use crate::trace::Trace;

/// How long a sender waits for what the store alone knows. One that takes longer is away, and they are told to come again.
const STORE_AT_INGEST: Duration = Duration::from_secs(3);

/// The queue has the message durably, or the log has it from before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    pub message_id: MessageId,
    /// For a message to a room; the room's id where it is gone.
    pub room_name: Option<Arc<str>>,
    /// Where the file goes whose name stood in place of a link.
    pub upload: Option<UploadTicket>,
    pub status: Status,
}

/// What became of a message that was not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Accepted,
    /// Kept until somebody has looked at it.
    Held,
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
        let name = self.links.attachments().ok().and_then(|_| submission.file_name()).map(str::to_owned);
        let mut queued = match &name {
            Some(_) => self.judge(caller, without_link(submission, &caller.user), repeat_key)?,
            None => self.judge(caller, submission, repeat_key)?,
        };
        let room = match &queued.target {
            Target::Direct(_) => None,
            Target::Room(id) => match in_time(self.may_send(id, &caller.user, AT_INGEST)).await {
                Ok(room) => Some(room),
                Err(refused) => return self.accepted_before(&queued, refused).await,
            },
        };
        let paid = match self.charge_message(&queued) {
            Ok(paid) => paid,
            // While the log cannot say, it is a refusal.
            Err(refused) => {
                return self.accepted_before(&queued, refused.clone()).await.map_err(|_| refused);
            }
        };
        let upload = match in_time(self.attach_file(&mut queued, name.as_deref())).await {
            Ok(upload) => upload,
            Err(refused) => {
                self.limits.give_back(&paid);
                return self.accepted_before(&queued, refused).await;
            }
        };
        let status = match self.moderate(&mut queued, room.as_deref(), Repeats::AreAccepted).await {
            Ok(status) => status,
            Err(refused) => {
                let before = self.accepted_before(&queued, refused).await;
                if before.is_ok() {
                    self.limits.give_back(&paid);
                }
                return before;
            }
        };
        if status == Status::Accepted && !self.is_known_to_the_queue(&queued) {
            if let Err(error) = self.ports.queue.send(outgoing(&queued)).await {
                self.limits.give_back(&paid);
                return Err(error.into());
            }
            self.lately.add(queued.marker);
            self.counters.accepted.add(1);
        }
        let room_name = room.map(|room| Arc::from(room.name.as_str()));
        Ok(Accepted { message_id: queued.message.id, room_name, status, upload })
    }

    /// The first answer, if the message is in the log from before; else the refusal of it.
    async fn accepted_before(&self, queued: &QueuedMessage, refused: Refused) -> Result<Accepted, Refused> {
        in_time(self.first_position(queued, refused)).await?;
        let room_name: Option<Arc<str>> = match &queued.target {
            Target::Direct(_) => None,
            Target::Room(id) => {
                let room = self.known.room(id, AT_INGEST).await?;
                Some(Arc::from(room.as_ref().map_or(id.as_str(), |room| room.name.as_str())))
            }
        };
        let message_id = queued.message.id.clone();
        Ok(Accepted { message_id, room_name, status: Status::Accepted, upload: None })
    }

    /// Gives the message its file: a place for one that is still to come under this name, or the one that it names.
    async fn attach_file(
        &self,
        queued: &mut QueuedMessage,
        name: Option<&str>,
    ) -> Result<Option<UploadTicket>, Refused> {
        let Some(name) = name else { return self.attach(queued).await.map(|()| None) };
        let ticket = self.attachment_of_message(queued, name).await?;
        queued.message.attachment_id = Some(ticket.id.clone());
        Ok(Some(ticket))
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
        submission.refuse_signed_url()?;
        let id = match (submission.message_id()?, repeat_key) {
            (Some(id), _) => id,
            (None, Some(key)) => id_of_key(key).unwrap_or_else(|_| self.ports.ids.message_id()),
            (None, None) => self.ports.ids.message_id(),
        };
        submission.check_receiver()?;
        let (target, message) = submission.judge(caller.user.clone(), id)?;
        Ok(QueuedMessage::new(target, message, Some(self.ports.clock.now())))
    }
}

/// The message's file comes in the link's place; which one is known with the message's identity.
fn without_link(submission: Submission, sender: &UserId) -> Submission {
    let to_come = AttachmentId::new(sender, &[]).to_string();
    Submission { attachment_url: None, attachment_id: Some(to_come), ..submission }
}

async fn in_time<T>(asking: impl Future<Output = Result<T, Refused>>) -> Result<T, Refused> {
    let told = tokio::time::timeout(STORE_AT_INGEST, asking).await;
    told.unwrap_or_else(|_| {
        Err(Refused::unavailable("store_unavailable", "The store does not answer. Try again."))
    })
}

fn outgoing(queued: &QueuedMessage) -> Outgoing {
    Tally::about(queued.conversation.as_str());
    let (entity, mut properties) = match &queued.target {
        Target::Direct(_) => (Entity::Queue, Properties::new()),
        Target::Room(id) => (Entity::Topic, Properties::from([(ROOM_PROPERTY.to_owned(), id.to_string())])),
    };
    if let Some(trace) = Tally::trace() {
        properties.insert(Trace::NAME.to_owned(), trace.to_string());
    }
    Outgoing {
        entity,
        message_id: queued.marker.to_string(),
        session_id: queued.conversation.to_string(),
        body: queued.to_body(),
        properties,
    }
}

/// A key is its own id where it can be one, else its hash is.
fn id_of_key(key: &str) -> Result<MessageId, InvalidId> {
    MessageId::new(key).or_else(|_| MessageId::new(&hex::encode(Sha256::digest(key.as_bytes()))))
}
