use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::model::{Marker, Rules, UserId};

/// Says what may be published. What follows from it is the chat's business.
///
/// # Contract
/// Nothing that is asked fails for what it says: any text of any length is judged. Without a [`Question::identity`] the judgement
/// follows from the question alone; with one it may follow from what the sender said lately too, and a repeat of the identity is
/// never worse for that. A masked text is not empty where the text was not, and has no more UTF-16 units than it. Work that is long
/// enough to hold up others is done elsewhere. Every call may be repeated.
#[async_trait]
pub trait Moderator: Send + Sync {
    async fn judge(&self, question: &Question) -> Result<Judgement, ModeratorError>;
}

/// What is to be published, and where.
#[derive(Clone, Debug)]
pub struct Question {
    pub kind: Kind,
    pub text: Arc<str>,
    /// A link that readers are shown beside the text. It is one more link, and is refused where a text would be masked.
    pub link: Option<Arc<str>>,
    pub sender: UserId,
    /// Of the room it goes to; none between two people and for names.
    pub rules: Option<Arc<Rules>>,
    /// Whether the sender is a member of that room.
    pub is_member: bool,
    /// Where it counts how much the sender says: what makes the message the same message.
    pub identity: Option<Marker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A message, or its edit.
    Message,
    /// The name or topic of a room, or a person's name.
    Name,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    Allow,
    /// May be published so.
    Mask {
        content: String,
    },
    /// Somebody has to look at it first. `content` is what is to be published then, where it is not the text itself.
    Hold {
        content: Option<String>,
        code: &'static str,
        reason: String,
    },
    Reject {
        /// Stable, for programs.
        code: &'static str,
        /// A sentence for the sender.
        reason: String,
    },
}

impl Judgement {
    /// The graver of two about one text, of which the second has seen what the first made of it.
    #[must_use]
    pub fn and(self, second: Self) -> Self {
        match (self, second) {
            (reject @ Self::Reject { .. }, _) | (_, reject @ Self::Reject { .. }) => reject,
            (hold @ Self::Hold { .. }, _) => hold,
            (Self::Mask { content }, Self::Hold { content: None, code, reason }) => {
                Self::Hold { content: Some(content), code, reason }
            }
            (first, Self::Allow) => first,
            (_, second) => second,
        }
    }
}

/// No judgement could be had. Nothing is known of the text; the question may be repeated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModeratorError {
    #[error("the moderator is unavailable")]
    Unavailable {
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl ModeratorError {
    pub fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable { retry_after: None, source: source.into() }
    }

    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let Self::Unavailable { retry_after, .. } = self;
        *retry_after
    }
}
