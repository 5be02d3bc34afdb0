//! Files of messages: asked for, stored by the client itself, attached, read by those who read the conversation.

use std::time::Duration;

use serde::Serialize;

use super::known::AT_INGEST;
use super::message::Target;
use super::{Caller, Chat, QueuedMessage, Refused, files};
use crate::model::{
    AttachmentId, AttachmentRules, ConversationId, Marker, NewMessage, Timestamp, Upload, UserId, file_name,
};
use crate::ports::{Due, Mark, Page, Reserved};

/// How long a link for storing serves.
const STORE_FOR: Duration = Duration::from_secs(10 * 60);
/// When a file that was asked for is looked after: it is in a message by then, or goes.
const ORPHAN_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the file of an accepted message waits for it to come into the log.
const ACCEPTED_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Files looked after in one round, and removed at once.
const ROUND: usize = 100;
/// Messages of a conversation read at once, for their files.
const PAGE: usize = 500;

/// A file as somebody wants to store it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewAttachment {
    pub room: Option<String>,
    pub receiver: Option<String>,
    pub file_name: String,
    /// By the name's ending where it is not said.
    pub content_type: Option<String>,
    /// The most there may be where it is not said.
    pub bytes: Option<u64>,
}

/// Where a file goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UploadTicket {
    pub id: AttachmentId,
    pub name: String,
    pub content_type: String,
    /// At most so many.
    pub max_bytes: u64,
    pub upload_url: String,
    pub expires_at: Timestamp,
}

/// Where a file is to be had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AttachmentView {
    pub id: AttachmentId,
    pub name: String,
    pub content_type: String,
    pub bytes: u64,
    pub url: String,
    pub expires_at: Timestamp,
}

/// What became of the message that has a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carrier {
    /// None has it yet.
    None,
    /// Accepted and not in the log: it may wait in a queue, or for its replay. Or the log has forgotten its marker.
    OnItsWay,
    There,
    /// Deleted, or past its retention.
    Gone,
}

impl Chat {
    /// Says what files may be.
    #[must_use]
    pub fn with_attachments(mut self, rules: AttachmentRules) -> Self {
        self.files = rules;
        self
    }

    /// A place for a file in a conversation that the caller may write to. The same `key` names the same place.
    pub async fn new_attachment(
        &self,
        caller: &Caller,
        new: &NewAttachment,
        key: Option<&str>,
    ) -> Result<UploadTicket, Refused> {
        self.links.attachments()?;
        let target = match (&new.room, &new.receiver) {
            (Some(_), Some(_)) => {
                return Err(Refused::invalid(
                    "two_targets",
                    "receiver_id",
                    "Give room_id or receiver_id, not both.",
                ));
            }
            (Some(room), None) => Target::Room(super::access::room_id(room)?),
            (None, Some(receiver)) => Target::Direct(
                UserId::given(receiver).map_err(|error| Refused::bad_id("receiver_id", &error))?,
            ),
            (None, None) => return Err(Refused::invalid("missing_field", "room_id", "room_id is missing.")),
        };
        if let Target::Room(room) = &target {
            self.may_send(room, &caller.user, AT_INGEST).await?;
        }
        let conversation = target.conversation(&caller.user);
        let random = || self.ports.ids.token();
        let key = key.map_or_else(random, |key| format!("{conversation}\n{key}"));
        let id = AttachmentId::new(&caller.user, format!("asked\n{key}").as_bytes());
        let upload = self.judge_file(id, &caller.user, conversation, &target, new)?;
        self.reserve(upload).await
    }

    /// The same for the file of a message that is to be sent: its place is the message's own, whoever repeats it.
    pub(super) async fn attachment_of_message(
        &self,
        queued: &QueuedMessage,
        name: &str,
    ) -> Result<UploadTicket, Refused> {
        let sender = &queued.message.sender;
        let id = attachment_id_of(queued);
        let new = NewAttachment { file_name: name.to_owned(), ..NewAttachment::default() };
        let upload = self.judge_file(id, sender, queued.conversation.clone(), &queued.target, &new);
        let upload = upload.map_err(|refused| Refused { field: Some("AttachmentURL"), ..refused })?;
        self.reserve(Upload { used_by: Some(queued.marker), ..upload }).await
    }

    fn judge_file(
        &self,
        id: AttachmentId,
        owner: &UserId,
        conversation: ConversationId,
        target: &Target,
        new: &NewAttachment,
    ) -> Result<Upload, Refused> {
        let name = file_name(&new.file_name).ok_or_else(|| {
            Refused::invalid("invalid_file_name", "file_name", "file_name is no name of a file.")
        })?;
        let said = new.content_type.as_deref().map(|text| text.split(';').next().unwrap_or_default());
        let content_type = said.unwrap_or_else(|| files::type_of_name(&name)).trim().to_ascii_lowercase();
        if !self.files.types.contains(&content_type) {
            let sentence = "Files of this type are not taken.";
            return Err(Refused::invalid("content_type_not_allowed", "content_type", sentence));
        }
        let max = self.files.max_bytes;
        let bytes = new.bytes.unwrap_or(max);
        if bytes == 0 || bytes > max {
            let sentence = format!("A file has 1 to {max} bytes.");
            return Err(Refused::too_large("attachment_too_large", "bytes", sentence));
        }
        let to = match target {
            Target::Direct(receiver) => Some(receiver.clone()),
            Target::Room(_) => None,
        };
        let (owner, at) = (owner.clone(), self.ports.clock.now());
        Ok(Upload {
            id,
            owner,
            conversation,
            to,
            name,
            content_type,
            bytes,
            at,
            checked: false,
            used_by: None,
        })
    }

    async fn reserve(&self, upload: Upload) -> Result<UploadTicket, Refused> {
        let quota = self.files.quota_bytes;
        let upload = match self.ports.uploads.reserve(&upload, quota).await? {
            Reserved::New => upload,
            Reserved::There(there) => there,
            Reserved::OverQuota => {
                let sentence = format!("All files of one user have at most {quota} bytes together.");
                return Err(Refused::too_large("quota_exceeded", "bytes", sentence));
            }
        };
        let until = self.links.after(STORE_FOR);
        let upload_url = self.links.attachments()?.upload_link(&upload.id, upload.bytes, until).await?;
        let Upload { id, name, content_type, bytes: max_bytes, .. } = upload;
        Ok(UploadTicket { id, name, content_type, max_bytes, upload_url, expires_at: until })
    }

    /// Gives the message the file it names, which is its sender's, for this conversation, stored, checked, and no other
    /// message's. A repeat finds it so.
    pub(super) async fn attach(&self, queued: &QueuedMessage) -> Result<(), Refused> {
        let Some(id) = &queued.message.attachment_id else { return Ok(()) };
        let found = self.ports.uploads.get(std::slice::from_ref(id)).await?;
        let own = found.into_iter().find(|upload| {
            upload.owner == queued.message.sender && upload.conversation == queued.conversation
        });
        // Nobody learns what others have.
        let upload = self.links.checked(own.ok_or_else(Refused::attachment_not_found)?).await?;
        let marked = self.ports.uploads.mark(&upload.id, &Mark::Used(queued.marker)).await?;
        match marked.and_then(|upload| upload.used_by) {
            Some(marker) if marker == queued.marker => Ok(()),
            Some(_) => Err(Refused::conflict("attachment_used", "Another message has this file.")),
            None => Err(Refused::attachment_not_found()),
        }
    }

    /// A fresh link, for those who may read the conversation. Before a message has it, the file is its owner's alone.
    pub async fn attachment(&self, caller: &Caller, id: &str) -> Result<AttachmentView, Refused> {
        self.links.attachments()?;
        let id = AttachmentId::parse(id).ok_or_else(Refused::attachment_not_found)?;
        let found = self.ports.uploads.get(&[id]).await?;
        let upload = found.into_iter().next().ok_or_else(Refused::attachment_not_found)?;
        self.may_read_file(caller, &upload).await?;
        let upload = self.links.checked(upload).await?;
        let (expires_at, url) = self.links.of(upload.clone()).await?;
        let Upload { id, name, content_type, bytes, .. } = upload;
        Ok(AttachmentView { id, name, content_type, bytes, url, expires_at })
    }

    /// To whoever may not, it is not there. Neither is the file of a message that went, whatever keeps the file from going.
    async fn may_read_file(&self, caller: &Caller, upload: &Upload) -> Result<(), Refused> {
        let is_owner = upload.owner == caller.user;
        let is_shown = is_owner || upload.used_by.is_some();
        let may_read = match upload.conversation.room() {
            _ if !is_shown => false,
            None => is_owner || upload.to.as_ref() == Some(&caller.user),
            Some(room) => match self.may_read(caller, &room).await {
                Ok(_) => true,
                Err(refused) if refused.is_unavailable() => return Err(refused),
                Err(_) => false,
            },
        };
        if may_read && self.carrier(upload).await? != Carrier::Gone {
            return Ok(());
        }
        Err(Refused::attachment_not_found())
    }

    /// Before a message goes: whatever happens next, its file is looked after.
    pub(super) async fn doubt_file(
        &self,
        conversation: &ConversationId,
        message: &NewMessage,
    ) -> Result<(), Refused> {
        let Some(id) = &message.attachment_id else { return Ok(()) };
        let found = self.ports.uploads.get(std::slice::from_ref(id)).await?;
        if found.iter().any(|upload| is_file_of(upload, conversation, message)) {
            self.ports.uploads.mark(id, &Mark::DueAgain(Timestamp::from_millis(0))).await?;
        }
        Ok(())
    }

    /// After a message went: its file too. What fails is done by a round.
    pub(super) async fn drop_file(&self, conversation: &ConversationId, message: &NewMessage) {
        let Some(id) = &message.attachment_id else { return };
        if let Err(refused) = self.look_after(id, Some((conversation, message))).await {
            tracing::warn!(code = refused.code, "the file of a deleted message is removed later");
        }
    }

    /// One round of looking after files: what was asked for a day ago and is in no message goes, and so does the file of a
    /// message that went. Answers how many it looked after. Bounded; repeatable; for several processes at once. One that
    /// cannot be settled does not keep the others, however many such there are: the walk goes on behind it, and comes back.
    pub async fn look_after_attachments(&self) -> Result<usize, Refused> {
        if self.ports.attachments.is_none() {
            return Ok(0);
        }
        let day = u64::try_from(ORPHAN_AFTER.as_millis()).unwrap_or(u64::MAX);
        let before = Timestamp::from_millis(self.ports.clock.now().millis().saturating_sub(day));
        let mut up_to = self.files_up_to.lock().await;
        let due = self.ports.uploads.due(up_to.as_ref(), before, ROUND).await?;
        let is_last = due.len() < ROUND;
        let mut outcome = Ok(due.len());
        for due in due {
            // First: a round that is broken off goes on behind it too.
            *up_to = Some(due.clone());
            if let Err(refused) = self.settle_file(&due).await {
                tracing::warn!(file = %due.id, code = refused.code, "a file could not be looked after");
                outcome = Err(refused);
            }
        }
        if is_last {
            *up_to = None;
        }
        outcome
    }

    async fn settle_file(&self, due: &Due) -> Result<(), Refused> {
        self.look_after(&due.id, None).await?;
        Ok(self.ports.uploads.settle(due).await?)
    }

    /// Removes the file unless a message that is there has it. `gone` is a message that is known to be deleted.
    async fn look_after(
        &self,
        id: &AttachmentId,
        gone: Option<(&ConversationId, &NewMessage)>,
    ) -> Result<(), Refused> {
        let found = self.ports.uploads.get(std::slice::from_ref(id)).await?;
        let Some(upload) = found.into_iter().next() else {
            // It may have been stored after all.
            return Ok(self.links.attachments()?.remove(id).await?);
        };
        if let Some((conversation, message)) = gone {
            let is_its_own = is_file_of(&upload, conversation, message);
            return if is_its_own { self.links.remove(id).await } else { Ok(()) };
        }
        let now = self.ports.clock.now();
        let age = Duration::from_millis(now.millis().saturating_sub(upload.at.millis()));
        match self.carrier(&upload).await? {
            // What is not what it was said to be goes by this.
            Carrier::There => match self.links.checked(upload).await {
                Err(refused) if refused.is_unavailable() => Err(refused),
                Err(refused) if refused.code == "not_uploaded" => self.links.remove(id).await,
                _ => Ok(()),
            },
            // Its own time comes.
            Carrier::None if age < ORPHAN_AFTER => Ok(()),
            Carrier::OnItsWay if age < ACCEPTED_FOR => {
                self.ports.uploads.mark(id, &Mark::DueAgain(now)).await?;
                Ok(())
            }
            _ => self.links.remove(id).await,
        }
    }

    async fn carrier(&self, upload: &Upload) -> Result<Carrier, Refused> {
        let Some(marker) = &upload.used_by else { return Ok(Carrier::None) };
        let Some(position) = self.ports.log.find(&upload.conversation, marker).await? else {
            return Ok(Carrier::OnItsWay);
        };
        let states = self.ports.log.states(&upload.conversation, &[position.seq]).await?;
        let state = states.into_iter().find(|state| state.seq == position.seq);
        let is_there = state.is_some_and(|state| state.message.attachment_id.as_ref() == Some(&upload.id));
        Ok(if is_there { Carrier::There } else { Carrier::Gone })
    }

    /// Removes all files of a user, some at a time: for erasing them. Answers whether there are more.
    pub async fn drop_attachments_of(&self, owner: &UserId) -> Result<bool, Refused> {
        if self.ports.attachments.is_none() {
            return Ok(false);
        }
        let uploads = self.ports.uploads.of_owner(owner, None, ROUND).await?;
        let mut outcome = Ok(uploads.len() == ROUND);
        for upload in &uploads {
            // One that cannot be removed does not keep the others.
            if let Err(refused) = self.links.remove(&upload.id).await {
                outcome = Err(refused);
            }
        }
        outcome
    }

    /// Removes the files of a conversation's messages up to `seq`, before retention takes these away or after the room
    /// went. Repeatable.
    pub async fn drop_attachments_in(
        &self,
        conversation: &ConversationId,
        up_to: u64,
    ) -> Result<(), Refused> {
        if self.ports.attachments.is_none() {
            return Ok(());
        }
        let mut after = 0;
        loop {
            let Some(page) = self.ports.log.messages(conversation, Page::After(after), PAGE).await? else {
                return Ok(());
            };
            for state in page.messages.iter().take_while(|state| state.seq <= up_to) {
                if let Some(id) = &state.message.attachment_id {
                    self.look_after(id, Some((conversation, &state.message))).await?;
                }
            }
            match page.messages.last() {
                Some(last) if last.seq < up_to && page.messages.len() == PAGE => after = last.seq,
                _ => return Ok(()),
            }
        }
    }
}

/// The id in a message of a foreign producer may be anybody's.
fn is_file_of(upload: &Upload, conversation: &ConversationId, said: &NewMessage) -> bool {
    upload.used_by == Some(Marker::new(conversation, &said.sender, &said.id))
}

/// The same for every repeat of the message.
pub(super) fn attachment_id_of(queued: &QueuedMessage) -> AttachmentId {
    AttachmentId::new(&queued.message.sender, queued.marker.as_bytes())
}
