//! Changing and deleting what was said.

use sha2::{Digest, Sha256};

use super::audit::Act;
use super::message::{check_length, not_empty};
use super::policy::Action;
use super::scene::{Changed, PresentMessage, Scene};
use super::{Caller, Chat, Refused, Venue};
use crate::model::{Change, ConversationId, Marker, MessageState, bounds};
use crate::ports::InboxKey;

impl Chat {
    /// Replaces the content of the caller's own message. The same content again changes nothing, and neither does a repeat
    /// under the same `key`, whatever became of the message since: under a key the log keeps every edit, also one that
    /// changes nothing, lest its repeat undo a later one.
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
        if !message.state.message.has_attachment() {
            not_empty("content", &content)?;
        }
        let occasion = match key {
            Some(key) => format!("{seq}:{key}"),
            // What the message is edited from makes a repeat the same edit, and a later one another.
            None => format!("{seq}:{}:{}", message.state.as_of, hex::encode(Sha256::digest(&content))),
        };
        let conversation = message.scene.conversation();
        let marker = Marker::of_command(&conversation, &caller.user, "edited", &occasion);
        if key.is_none() && message.state.deleted_at.is_some() {
            return Err(Refused::message_deleted());
        }
        if key.is_none() && message.state.message.content == content {
            return self.unchanged(message).await;
        }
        let paid = self.charge_command(caller, &message.scene, &marker).await?;
        let content = match self.moderate_edit(caller, &message, &content, marker).await {
            Ok(masked) => masked.unwrap_or(content),
            // A repeat gets the first answer, whatever is thought of it by now.
            Err(refused) if !refused.is_unavailable() => {
                match self.ports.log.find(&conversation, &marker).await? {
                    Some(_) => content,
                    None => return Err(refused),
                }
            }
            Err(refused) => return Err(refused),
        };
        let change = Change::Edit { target: seq, content, by: caller.user.clone() };
        self.change_paid(caller, message.scene, seq, marker, change, paid).await
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
        if message.state.deleted_at.is_some() {
            // Whoever deleted it may not have come as far as the inbox.
            self.clear_inbox(&message).await?;
            return self.unchanged(message).await;
        }
        let conversation = message.scene.conversation();
        // A message is deleted once: nothing else has to tell the occasions apart.
        let marker = Marker::of_command(&conversation, &caller.user, "deleted_message", &seq.to_string());
        let change = Change::Delete { target: seq, by: caller.user.clone(), reason: reason.clone() };
        let author = &message.state.message.sender;
        let act = match &message.scene {
            Scene::Room(room) if *author != caller.user => {
                let target = Some(seq.to_string());
                Some(Act { target, reason, ..Act::on("message.delete", &room.id, author) })
            }
            _ => None,
        };
        // Before the file is doubted: what is refused here leaves it alone.
        let paid = self.charge_command(caller, &message.scene, &marker).await?;
        self.doubt_file(&conversation, &message.state.message).await?;
        let deletion = self.change_paid(caller, message.scene.clone(), seq, marker, change, paid);
        let changed = match act {
            Some(act) => self.audited(caller, act, deletion).await?,
            None => deletion.await?,
        };
        self.drop_file(&conversation, &message.state.message).await;
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
    async fn clear_inbox(&self, message: &PresentMessage) -> Result<(), Refused> {
        if let Scene::Pair(conversation, one, other) = &message.scene {
            let receiver = if message.state.message.sender == *one { other } else { one };
            let key = inbox_key(conversation, &message.state).to_text();
            self.ports.inbox.acknowledge(receiver, &[key]).await?;
        }
        Ok(())
    }
}

/// Where a direct message waits in its receiver's inbox.
pub(super) fn inbox_key(conversation: &ConversationId, state: &MessageState) -> InboxKey {
    let said = &state.message;
    InboxKey { at: state.at, marker: Marker::new(conversation, &said.sender, &said.id) }
}

/// Why somebody does what others see; nothing said is none.
pub(super) fn check_reason(reason: Option<&str>) -> Result<Option<String>, Refused> {
    let Some(reason) = reason.map(str::trim).filter(|reason| !reason.is_empty()) else { return Ok(None) };
    let max = bounds::REASON_CHARS;
    if reason.chars().count() > max {
        let sentence = format!("reason must be at most {max} characters.");
        return Err(Refused::invalid("too_long", "reason", sentence));
    }
    Ok(Some(reason.to_owned()))
}
