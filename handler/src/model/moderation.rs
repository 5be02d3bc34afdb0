use serde::{Deserialize, Serialize};

use super::{ConversationId, NewMessage, RoomId, Timestamp, UserId};

/// Who may send links to a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Links {
    /// Whoever may send.
    #[default]
    Allow,
    Members,
    None,
}

/// What a room wants of its messages, beside what everybody wants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rules {
    /// Words that are refused, each alone and however it is disguised.
    #[serde(default)]
    pub blocked_words: Vec<String>,
    #[serde(default)]
    pub links: Links,
}

impl Rules {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.blocked_words.is_empty() && self.links == Links::Allow
    }
}

/// Whose matter a review is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Desk {
    /// Of the room's moderators and the admins.
    Room(RoomId),
    /// Of the admins: what two people say to each other.
    Direct,
}

/// Something said that people look at: before it is published, or because somebody reported it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Review {
    /// Names the matter, not the occasion: the same matter opened again is the same review.
    pub id: String,
    pub desk: Desk,
    pub opened_at: Timestamp,
    pub conversation: ConversationId,
    /// To whom it was said, where that is one person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver: Option<UserId>,
    /// As it was when the review was opened.
    pub message: NewMessage,
    pub matter: Matter,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// Counts the changes of this row, from 0.
    #[serde(default)]
    pub revision: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Matter {
    /// Accepted and not published.
    Held { code: String, reason: String, accepted_at: Timestamp },
    /// Published, with this `seq`.
    Reported { seq: u64, reports: Vec<Report> },
}

/// What one user says about a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub by: UserId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub at: Timestamp,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    /// What is held is published, what was reported stays.
    Approve,
    /// What is held is not published, what was reported is deleted.
    Remove,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    pub ruling: Ruling,
    pub by: UserId,
    pub at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Done, and not only decided: a review is open until then.
    pub applied: bool,
}

impl Review {
    #[must_use]
    pub fn is_reported_by(&self, user: &UserId) -> bool {
        match &self.matter {
            Matter::Reported { reports, .. } => reports.iter().any(|report| report.by == *user),
            Matter::Held { .. } => false,
        }
    }

    /// Whether somebody still has to look at it, or to finish what was decided.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.decision.as_ref().is_some_and(|decision| decision.applied)
    }
}
