//! The review queue: what is held or was reported, and what those who moderate decide.
//!
//! A decision is stored before it is done and stays open until it is, so that a repeat finishes what a crash left.

use serde::Serialize;

use super::access::room_id;
use super::audit::Act;
use super::command::{Command, Verdict};
use super::edits::check_reason;
use super::policy::{Action, require_admin};
use super::{Caller, Chat, QueuedMessage, Refused, Target, page_length};
use crate::model::{
    Change, ConversationId, Decision, Desk, Marker, Matter, NewMessage, Report, Review, RoomId, Ruling,
    Timestamp, UserId, bounds,
};
use crate::ports::{NewEntry, Refusal};

/// What a sender is told whose message was held and is not published.
pub(super) const REMOVED: &str = "removed_by_moderator";
pub(super) const REMOVED_SENTENCE: &str = "A moderator looked at the message and did not publish it.";
/// Tries to decide where somebody else changes the review at once.
const TRIES: usize = 10;

/// A review as those who decide read it:
/// `{"id","kind","opened_at","room_id"?,"conversation"?,"to"?,"seq"?,"message":{…},"code"?,"reason"?,"reports"?,"decision"?}`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReviewView {
    pub id: String,
    pub kind: &'static str,
    pub opened_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room_id: Option<RoomId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    pub message: NewMessage,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reports: Option<Vec<Report>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionView>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DecisionView {
    pub ruling: Ruling,
    pub by: UserId,
    pub at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl From<Review> for ReviewView {
    fn from(review: Review) -> Self {
        let (kind, seq, code, reason, reports) = match review.matter {
            Matter::Held { code, reason, .. } => ("held", None, Some(code), Some(reason), None),
            Matter::Reported { seq, reports } => ("reported", Some(seq), None, None, Some(reports)),
        };
        let (room_id, conversation) = match review.desk {
            Desk::Room(room) => (Some(room), None),
            Desk::Direct => (None, Some(review.conversation)),
        };
        let decision = review.decision.map(|Decision { ruling, by, at, reason, .. }| DecisionView {
            ruling,
            by,
            at,
            reason,
        });
        Self {
            id: review.id,
            kind,
            opened_at: review.opened_at,
            room_id,
            conversation,
            to: review.receiver,
            seq,
            message: review.message,
            code,
            reason,
            reports,
            decision,
        }
    }
}

/// Open reviews, oldest first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReviewPage {
    pub reviews: Vec<ReviewView>,
    /// To be given back as `after`; opaque.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The desk a caller names: a room's, or that of direct messages.
pub fn desk_of(room: Option<&str>) -> Result<Desk, Refused> {
    Ok(match room {
        Some(room) => Desk::Room(room_id(room)?),
        None => Desk::Direct,
    })
}

pub(super) fn desk(conversation: &ConversationId) -> Desk {
    conversation.room().map_or(Desk::Direct, Desk::Room)
}

impl Chat {
    /// What waits for a decision: a room's for its moderators and admins, that of direct messages for admins.
    pub async fn reviews(
        &self,
        caller: &Caller,
        desk: &Desk,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<ReviewPage, Refused> {
        let limit = page_length(limit, bounds::REVIEWS_PAGE, bounds::REVIEWS_PAGE)?;
        let after = after.map(read_cursor).transpose()?;
        self.may_review(caller, desk).await?;
        if let Desk::Room(room) = desk {
            self.note_reading_as_admin(caller, room).await?;
        }
        let after = after.as_ref().map(|(at, id)| (*at, id.as_str()));
        let reviews = self.ports.reviews.list(desk, after, limit).await?;
        if *desk == Desk::Direct && !reviews.is_empty() {
            // What two people say to each other: who reads it is on record.
            let (target, occasion) = (Some(format!("{} direct", reviews.len())), self.ports.ids.token());
            self.note_act(caller, Act { action: "reviews.read", target, occasion, ..Act::default() }).await?;
        }
        let next = reviews.last().filter(|_| reviews.len() == limit).map(cursor);
        Ok(ReviewPage { reviews: reviews.into_iter().map(ReviewView::from).collect(), next })
    }

    /// Decides: `approve` publishes what is held and leaves what was reported, `remove` does neither. The same decision once more
    /// changes nothing and finishes what is left to do; another is refused.
    pub async fn decide(
        &self,
        caller: &Caller,
        desk: &Desk,
        id: &str,
        ruling: &str,
        reason: Option<&str>,
    ) -> Result<ReviewView, Refused> {
        let ruling = match ruling {
            "approve" => Ruling::Approve,
            "remove" => Ruling::Remove,
            _ => {
                let sentence = "decision must be approve or remove.";
                return Err(Refused::invalid("invalid_field", "decision", sentence));
            }
        };
        let reason = check_reason(reason)?;
        self.may_review(caller, desk).await?;
        let review = self.find_review(desk, id).await?;
        match &review.decision {
            Some(first) if first.ruling != ruling => return Err(already_decided()),
            Some(_) if !review.is_open() => return Ok(review.into()),
            Some(_) => {}
            // What cannot be done is not decided.
            None => self.check_release(&review, ruling).await?,
        }
        let act = act_of(&review, ruling, reason.clone());
        let work = async {
            let review = self.settle_review(caller, review, ruling, reason).await?;
            if !review.is_open() {
                return Ok(review);
            }
            self.carry_out(&review).await?;
            self.close(review).await
        };
        Ok(self.audited(caller, act, work).await?.into())
    }

    async fn find_review(&self, desk: &Desk, id: &str) -> Result<Review, Refused> {
        let found = self.ports.reviews.get(desk, id).await?;
        found.ok_or_else(|| Refused::not_found("review_not_found", "There is no such review."))
    }

    async fn may_review(&self, caller: &Caller, desk: &Desk) -> Result<(), Refused> {
        match desk {
            Desk::Room(room) => {
                let room = self.visible(caller, room).await?;
                self.require(caller, &room, Action::Review).await.map(drop)
            }
            Desk::Direct => require_admin(caller),
        }
    }

    /// Stores the decision, unless there is one.
    async fn settle_review(
        &self,
        caller: &Caller,
        mut review: Review,
        ruling: Ruling,
        reason: Option<String>,
    ) -> Result<Review, Refused> {
        for _ in 0..TRIES {
            match &review.decision {
                Some(first) if first.ruling == ruling => return Ok(review),
                Some(_) => return Err(already_decided()),
                None => {}
            }
            let (by, at) = (caller.user.clone(), self.ports.clock.now());
            review.decision = Some(Decision { ruling, by, at, reason: reason.clone(), applied: false });
            if self.ports.reviews.update(&review).await? {
                review.revision += 1;
                return Ok(review);
            }
            review = self.find_review(&review.desk, &review.id).await?;
        }
        Err(Refused::unavailable("busy", "Others change this review at the moment. Try again."))
    }

    /// Whether what is held can still be published.
    async fn check_release(&self, review: &Review, ruling: Ruling) -> Result<(), Refused> {
        let Matter::Held { accepted_at, .. } = &review.matter else { return Ok(()) };
        if ruling == Ruling::Remove {
            return Ok(());
        }
        if *accepted_at < self.ports.clock.now().days_before(bounds::MARKER_DAYS) {
            return Err(Refused::conflict("too_old", "The message is too old to be published. Remove it."));
        }
        let Some(room) = review.conversation.room() else { return Ok(()) };
        self.may_send(&room, &review.message.sender, std::time::Duration::ZERO).await.map_err(|refused| {
            if refused.is_unavailable() {
                return refused;
            }
            let sentence =
                format!("The sender may not send to this room any more: {} Remove it.", refused.message);
            Refused::conflict("sender_may_not_send", sentence)
        })?;
        Ok(())
    }

    async fn carry_out(&self, review: &Review) -> Result<(), Refused> {
        let Some(decision) = &review.decision else { return Ok(()) };
        match (&review.matter, decision.ruling) {
            (Matter::Held { .. }, Ruling::Approve) => self.release(review).await,
            (Matter::Held { .. }, Ruling::Remove) => {
                let reason = decision.reason.as_deref().unwrap_or(REMOVED_SENTENCE);
                self.tell_rejected(&review.message, REMOVED, reason).await.map_err(Refused::from)
            }
            (Matter::Reported { .. }, Ruling::Approve) => Ok(()),
            (Matter::Reported { seq, .. }, Ruling::Remove) => {
                self.delete_reported(review, *seq, decision).await
            }
        }
    }

    /// Appends the message with the identity it came with, so it is there once, behind what was said meanwhile.
    async fn release(&self, review: &Review) -> Result<(), Refused> {
        let Some(target) = target_of(review) else { return Err(Refused::room_not_found()) };
        let message = QueuedMessage::new(target, review.message.clone(), None);
        self.append_message(&message, None).await?;
        Ok(())
    }

    /// Blanks the message in the moderator's name, and removes its file. One that is gone by now is as wanted.
    async fn delete_reported(&self, review: &Review, seq: u64, decision: &Decision) -> Result<(), Refused> {
        let Some(target) = target_of(review) else { return Ok(()) };
        let audience = super::command::Audience::of(&target, &review.message.sender);
        let marker =
            Marker::of_command(&review.conversation, &decision.by, "deleted_message", &seq.to_string());
        let change = Change::Delete { target: seq, by: decision.by.clone(), reason: decision.reason.clone() };
        let entry = NewEntry { marker: Some(marker), at: self.ports.clock.now(), change, only_behind: None };
        let commands = vec![Command { entry, excluded: None }];
        self.doubt_file(&review.conversation, &review.message).await?;
        let appended = self.appenders.append(&audience, &review.conversation, commands).await?;
        appended.filed()?;
        match appended.verdicts.first() {
            Some(Verdict::Refused(refusal))
                if !matches!(
                    refusal,
                    Refusal::MessageDeleted | Refusal::NoSuchMessage | Refusal::Unchanged
                ) =>
            {
                return Err((*refusal).into());
            }
            _ => {}
        }
        self.drop_file(&review.conversation, &review.message).await;
        Ok(())
    }

    /// Notes that the decision is done.
    async fn close(&self, mut review: Review) -> Result<Review, Refused> {
        if let Some(decision) = &mut review.decision {
            decision.applied = true;
        }
        // Where somebody closed it at once, it is closed.
        if self.ports.reviews.update(&review).await? {
            review.revision += 1;
        }
        Ok(review)
    }
}

fn already_decided() -> Refused {
    Refused::conflict("already_decided", "The review was decided otherwise.")
}

fn act_of(review: &Review, ruling: Ruling, reason: Option<String>) -> Act {
    let (room, conversation) = match &review.desk {
        Desk::Room(room) => (Some(room.clone()), None),
        Desk::Direct => (None, Some(review.conversation.clone())),
    };
    Act {
        action: match ruling {
            Ruling::Approve => "review.approve",
            Ruling::Remove => "review.remove",
        },
        on: Some(review.message.sender.clone()),
        room,
        conversation,
        target: Some(review.id.clone()),
        reason,
        occasion: review.opened_at.to_string(),
    }
}

fn target_of(review: &Review) -> Option<Target> {
    match (&review.receiver, review.conversation.room()) {
        (Some(receiver), _) => Some(Target::Direct(receiver.clone())),
        (None, room) => room.map(Target::Room),
    }
}

/// The time in milliseconds, and the id.
fn cursor(review: &Review) -> String {
    format!("{}_{}", review.opened_at.millis(), review.id)
}

fn read_cursor(text: &str) -> Result<(Timestamp, String), Refused> {
    let read = text
        .split_once('_')
        .and_then(|(at, id)| Some((Timestamp::from_millis(at.parse().ok()?), id.to_owned())));
    let is_short = |(_, id): &(Timestamp, String)| id.len() <= 200;
    read.filter(is_short)
        .ok_or_else(|| Refused::invalid("invalid_field", "after", "after must be the next of a former page."))
}
