use serde::{Deserialize, Serialize};

use super::{Member, Timestamp, UserId};

/// What is laid on a user in one room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SanctionKind {
    /// No member, and cannot become one; receives and reads nothing.
    Ban,
    /// Reads, and sends nothing.
    Mute,
    /// Is being taken out or leaving, and may come back. The row is a note of work under way and goes when it is done.
    Removal,
}

/// One user's sanction of one kind in one room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sanction {
    pub user: UserId,
    pub kind: SanctionKind,
    pub by: UserId,
    pub at: Timestamp,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
    pub reason: Option<String>,
    /// Of a removal: `seq` of the `joined` entry of the membership that it ends. The user's later ones stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<u64>,
    /// Entry and live connections show it. `false`: a crash may have left it half done, and the timer finishes it.
    pub applied: bool,
}

impl Sanction {
    /// The same decision, whether it is applied or not.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        *self == Self { applied: self.applied, ..other.clone() }
    }

    /// The decision to end it now. Its row stands until the entry tells of it.
    #[must_use]
    pub fn lifted(&self, by: &UserId, now: Timestamp) -> Self {
        Self { by: by.clone(), at: now, until: Some(now), reason: None, applied: false, ..self.clone() }
    }

    #[must_use]
    pub fn is_lifted(&self) -> bool {
        self.until.is_some_and(|until| until <= self.at)
    }

    #[must_use]
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        !self.is_lifted() && self.until.is_none_or(|until| now < until)
    }

    /// Whether a removal is of this very membership.
    #[must_use]
    pub fn ends(&self, member: &Member) -> bool {
        self.ends.is_some() && self.ends == member.joined_seq
    }
}
