//! Judging what is said before it is published: on every way in, behind the right to say it and before the queue or the log.

use std::sync::Arc;
use std::time::Duration;

use super::command::Failure;
use super::ingest::Status;
use super::known::{AT_APPEND, AT_INGEST};
use super::scene::{PresentMessage, Scene};
use super::{Caller, Chat, QueuedMessage, Refused, Target, kept_reviews, reviews};
use crate::model::{Links, Marker, Matter, NewMessage, Review, Room, Ruling, Timestamp, UserId};
use crate::ports::moderator::Kind;
use crate::ports::{Judgement, Question, StoreError};

/// What a message is that was accepted lately and comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeats {
    /// The queue has the first, and this one goes nowhere.
    AreAccepted,
    /// It is judged by its words, since it may be in the log before the first; how much was said does not count.
    AreJudged,
}

/// What is to happen with a message that was judged when it was delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Delivered {
    Publish,
    Held,
    Refused(&'static str, String),
}

impl Chat {
    /// Judges a message, masks it where need be, and keeps it where somebody has to look at it. Rejected ones are refused.
    pub(super) async fn moderate(
        &self,
        message: &mut QueuedMessage,
        room: Option<&Room>,
        repeats: Repeats,
    ) -> Result<Status, Refused> {
        let Some(mut question) = self.question(message, room, AT_INGEST).await? else {
            return Ok(Status::Accepted);
        };
        if self.lately.has(&message.marker) {
            if repeats == Repeats::AreAccepted {
                return Ok(Status::Accepted);
            }
            question.identity = None;
        }
        match self.ports.moderator.judge(&question).await? {
            Judgement::Allow => {}
            Judgement::Mask { content } => message.message.content = content,
            Judgement::Hold { content, code, reason } => {
                return self.hold(message, content, code, reason).await;
            }
            Judgement::Reject { code, reason } => return Err(self.rejects(code, reason)),
        }
        message.moderated = true;
        Ok(Status::Accepted)
    }

    /// Whether another copy would be one too many: the first may have been judged otherwise, and is what counts.
    pub(super) fn is_known_to_the_queue(&self, message: &QueuedMessage) -> bool {
        self.options.moderated && self.lately.has(&message.marker)
    }

    /// The same of a message that nobody judged before it came to the queue. One that is in the log was delivered before.
    pub(super) async fn moderate_delivered(&self, message: &mut QueuedMessage) -> Result<Delivered, Failure> {
        let room = match &message.target {
            Target::Room(id) => self.known.room(id, AT_APPEND).await?,
            Target::Direct(_) => None,
        };
        let Some(question) = self.question(message, room.as_deref(), AT_APPEND).await? else {
            return Ok(Delivered::Publish);
        };
        let question = Question { identity: None, ..question };
        let judgement = self.ports.moderator.judge(&question).await?;
        let is_in_log = match &judgement {
            Judgement::Hold { .. } | Judgement::Reject { .. } => {
                self.ports.log.find(&message.conversation, &message.marker).await?.is_some()
            }
            _ => false,
        };
        match judgement {
            _ if is_in_log => Ok(Delivered::Publish),
            Judgement::Allow => Ok(Delivered::Publish),
            Judgement::Mask { content } => {
                message.message.content = content;
                Ok(Delivered::Publish)
            }
            Judgement::Reject { code, reason } => Ok(Delivered::Refused(code, reason)),
            Judgement::Hold { content, code, reason } => {
                let Some(review) = self.keep(message, content, code, reason).await? else {
                    let sentence = kept_reviews::TOO_MANY_HELD_SENTENCE.to_owned();
                    return Ok(Delivered::Refused(kept_reviews::TOO_MANY_HELD, sentence));
                };
                Ok(match review.decision.map(|decision| decision.ruling) {
                    None => Delivered::Held,
                    Some(Ruling::Approve) => Delivered::Publish,
                    Some(Ruling::Remove) => {
                        Delivered::Refused(reviews::REMOVED, reviews::REMOVED_SENTENCE.to_owned())
                    }
                })
            }
        }
    }

    /// What an edit becomes where it is masked. An edit is not held: what is there already stays until then.
    pub(super) async fn moderate_edit(
        &self,
        caller: &Caller,
        message: &PresentMessage,
        content: &str,
        marker: Marker,
    ) -> Result<Option<String>, Refused> {
        let room = match &message.scene {
            Scene::Room(room) => Some(room),
            Scene::Pair(..) => None,
        };
        if !self.is_watched(room.map(|room| &**room)) {
            return Ok(None);
        }
        let question = Question {
            kind: Kind::Message,
            text: content.into(),
            link: None,
            sender: caller.user.clone(),
            rules: room.map(|room| Arc::new(room.rules.clone())),
            is_member: self.counts_as_member(room.map(|room| &**room), &caller.user, AT_APPEND).await?,
            identity: Some(marker),
        };
        match self.ports.moderator.judge(&question).await? {
            Judgement::Allow => Ok(None),
            Judgement::Mask { content } => Ok(Some(content)),
            Judgement::Hold { code, reason, .. } | Judgement::Reject { code, reason } => {
                Err(self.rejects(code, reason))
            }
        }
    }

    /// Names are fit for everybody or refused: nobody wants a name with stars.
    pub(super) async fn moderate_name(
        &self,
        caller: &Caller,
        field: &'static str,
        name: Option<&str>,
    ) -> Result<(), Refused> {
        let Some(name) = name.filter(|name| self.options.moderated && !name.is_empty()) else {
            return Ok(());
        };
        let question = Question {
            kind: Kind::Name,
            text: name.into(),
            link: None,
            sender: caller.user.clone(),
            rules: None,
            is_member: false,
            identity: None,
        };
        match self.ports.moderator.judge(&question).await? {
            Judgement::Allow => Ok(()),
            _ => {
                let sentence = format!("{field} is not fit for others.");
                Err(Refused { field: Some(field), ..Refused::forbidden("inappropriate", sentence) })
            }
        }
    }

    fn is_watched(&self, room: Option<&Room>) -> bool {
        self.options.moderated || room.is_some_and(|room| !room.rules.is_empty())
    }

    /// None where nobody wants to judge it.
    async fn question(
        &self,
        message: &QueuedMessage,
        room: Option<&Room>,
        max_age: Duration,
    ) -> Result<Option<Question>, StoreError> {
        if !self.is_watched(room) {
            return Ok(None);
        }
        let said = &message.message;
        Ok(Some(Question {
            kind: Kind::Message,
            text: said.content.as_str().into(),
            link: foreign_link(said).map(Arc::from),
            sender: said.sender.clone(),
            rules: room.map(|room| Arc::new(room.rules.clone())),
            is_member: self.counts_as_member(room, &said.sender, max_age).await?,
            identity: Some(message.marker),
        }))
    }

    /// Asked for only where it matters.
    async fn counts_as_member(
        &self,
        room: Option<&Room>,
        user: &UserId,
        max_age: Duration,
    ) -> Result<bool, StoreError> {
        match room {
            Some(room) if room.rules.links == Links::Members => {
                Ok(self.known.member(&room.id, user, max_age).await?.is_some())
            }
            _ => Ok(true),
        }
    }

    fn rejects(&self, code: &'static str, reason: String) -> Refused {
        self.counters.moderated.add(1);
        Refused::forbidden(code, reason)
    }

    /// Keeps the message for those who review. A repeat has the answer that the first has by now.
    async fn hold(
        &self,
        message: &QueuedMessage,
        content: Option<String>,
        code: &'static str,
        reason: String,
    ) -> Result<Status, Refused> {
        if self.ports.log.find(&message.conversation, &message.marker).await?.is_some() {
            return Ok(Status::Accepted);
        }
        let Some(review) = self.keep(message, content, code, reason).await? else {
            let sentence = kept_reviews::TOO_MANY_HELD_SENTENCE;
            return Err(Refused::conflict(kept_reviews::TOO_MANY_HELD, sentence));
        };
        match review.decision.map(|decision| decision.ruling) {
            None => Ok(Status::Held),
            Some(Ruling::Approve) => Ok(Status::Accepted),
            Some(Ruling::Remove) => Err(Refused::forbidden(reviews::REMOVED, reviews::REMOVED_SENTENCE)),
        }
    }

    /// `None` where too many wait already. One that waits, or was decided, is answered all the same.
    async fn keep(
        &self,
        message: &QueuedMessage,
        content: Option<String>,
        code: &'static str,
        reason: String,
    ) -> Result<Option<Review>, StoreError> {
        let now = self.ports.clock.now();
        let accepted_at: Timestamp = message.accepted_at.unwrap_or(now);
        let mut said = message.message.clone();
        if let Some(content) = content {
            said.content = content;
        }
        let review = Review {
            id: format!("held_{}", message.marker),
            desk: reviews::desk(&message.conversation),
            opened_at: now,
            conversation: message.conversation.clone(),
            receiver: match &message.target {
                Target::Direct(receiver) => Some(receiver.clone()),
                Target::Room(_) => None,
            },
            message: said,
            matter: Matter::Held { code: code.to_owned(), reason, accepted_at },
            decision: None,
            revision: 0,
        };
        if let Some(there) = self.ports.reviews.get(&review.desk, &review.id).await? {
            return Ok(Some(there));
        }
        if !self.has_place(&review.desk, &review.message.sender).await? {
            return Ok(None);
        }
        self.counters.held.add(1);
        self.ports.reviews.open(&review).await.map(Some)
    }
}

/// A link that its sender wrote. Those to files of ours are made by us.
fn foreign_link(said: &NewMessage) -> Option<&str> {
    said.attachment_url.as_deref().filter(|_| said.attachment_id.is_none())
}
