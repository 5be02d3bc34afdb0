//! Changing and deleting what was said.

use sha2::{Digest, Sha256};

use super::message::{check_length, not_empty};
use super::policy::Action;
use super::scene::{Changed, PresentMessage, Scene};
use super::{Caller, Chat, Refused, Venue};
use crate::model::{Change, Marker, bounds};
use crate::ports::InboxKey;

impl Chat {
    /// Replaces the content of the caller's own message. The same content again changes nothing, and neither does a repeat
    /// under the same `key`, whatever became of the message since.
    pub async fn edit_message(
        &self,
        caller: &Caller,
        venue: &Venue,
        seq: u64,
        content: String,
        key: Option<&str>,
    ) -> Result<Changed, Refused> {
        check_length("content", &content)?;
        let scene = self.scene_to_write(caller, venue).await?;
        let message = self.find_message(scene, seq).await?;
        if message.state.message.sender != caller.user {
            return Err(Refused::not_the_author());
        }
        if message.state.message.attachment_url.is_none() {
            not_empty("content", &content)?;
        }
        let occasion = match key {
            Some(key) => format!("{seq}:{key}"),
            // What the message is edited from makes a repeat the same edit, and a later one another.
            None => format!("{seq}:{}:{}", message.state.as_of, hex::encode(Sha256::digest(&content))),
        };
        let conversation = message.scene.conversation();
        let marker = Marker::of_command(&conversation, &caller.user, "edited", &occasion);
        let is_deleted = message.state.deleted_at.is_some();
        if is_deleted || message.state.message.content == content {
            let entry = match key {
                Some(_) => self.ports.log.find(&conversation, &marker).await?,
                None => None,
            };
            return match entry {
                None if is_deleted => Err(Refused::message_deleted()),
                entry => Ok(Changed { entry, message }),
            };
        }
        let change = Change::Edit { target: seq, content, by: caller.user.clone() };
        self.change_message(caller, message.scene, seq, marker, change).await
    }

    /// Blanks a message: its author, and in a room whoever may delete what others said. A deleted message stays so, and a
    /// repeat changes nothing.
    pub async fn delete_message(
        &self,
        caller: &Caller,
        venue: &Venue,
        seq: u64,
        reason: Option<&str>,
    ) -> Result<Changed, Refused> {
        let reason = check_reason(reason)?;
        let scene = self.scene_to_read(caller, venue).await?;
        let message = self.find_message(scene, seq).await?;
        self.may_delete(caller, &message).await?;
        let key = inbox_key(&message);
        let changed = if message.state.deleted_at.is_some() {
            Changed { entry: None, message }
        } else {
            let conversation = message.scene.conversation();
            // A message is deleted once: nothing else has to tell the occasions apart.
            let marker = Marker::of_command(&conversation, &caller.user, "deleted_message", &seq.to_string());
            let change = Change::Delete { target: seq, by: caller.user.clone(), reason };
            self.change_message(caller, message.scene, seq, marker, change).await?
        };
        self.clear_inbox(&changed.message, key).await?;
        Ok(changed)
    }

    async fn may_delete(&self, caller: &Caller, message: &PresentMessage) -> Result<(), Refused> {
        if message.state.message.sender == caller.user {
            return Ok(());
        }
        match &message.scene {
            Scene::Room(room) => {
                self.require(caller, room, Action::DeleteOthersMessage).await?;
                Ok(())
            }
            Scene::Pair(..) => Err(Refused::not_the_author()),
        }
    }

    /// The inbox has a copy of its own, which is not to be handed over any more.
    async fn clear_inbox(&self, message: &PresentMessage, key: InboxKey) -> Result<(), Refused> {
        if let Scene::Pair(_, one, other) = &message.scene {
            let receiver = if message.state.message.sender == *one { other } else { one };
            self.ports.inbox.acknowledge(receiver, &[key.to_text()]).await?;
        }
        Ok(())
    }
}

fn inbox_key(message: &PresentMessage) -> InboxKey {
    let said = &message.state.message;
    let marker = Marker::new(&message.scene.conversation(), &said.sender, &said.id);
    InboxKey { at: message.state.at, marker }
}

/// Why somebody does what others see; nothing said is none.
fn check_reason(reason: Option<&str>) -> Result<Option<String>, Refused> {
    let Some(reason) = reason.map(str::trim).filter(|reason| !reason.is_empty()) else { return Ok(None) };
    let max = bounds::REASON_CHARS;
    if reason.chars().count() > max {
        let sentence = format!("reason must be at most {max} characters.");
        return Err(Refused::invalid("too_long", "reason", sentence));
    }
    Ok(Some(reason.to_owned()))
}
