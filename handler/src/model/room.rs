use serde::{Deserialize, Serialize};

use super::{RoomId, Rules, Timestamp, UserId};

/// A room's own row. Its messages are in the log of [`RoomId::conversation`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    pub id: RoomId,
    pub name: String,
    pub description: String,
    pub created_by: UserId,
    pub created_at: Timestamp,
    /// Not listed, not joinable and not readable for those who are not members.
    #[serde(default)]
    pub is_private: bool,
    /// Is private or was at some time: its log is not for those who open its id anew.
    #[serde(default)]
    pub was_private: bool,
    /// Users who may join although the room is private.
    #[serde(default)]
    pub allowed_users: Vec<UserId>,
    /// How many days what is said here is kept; none = as long as the deployment keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u32>,
    /// Counts the changes of this row, from 0. A change names the revision it was made from, so none is lost.
    #[serde(default)]
    pub revision: u64,
    /// Made by somebody's joining; goes with the last who leaves.
    #[serde(default)]
    pub fleeting: bool,
    /// Tells rooms apart that have one id after each other; empty where an id has one room only.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub instance: String,
    /// What it wants of its messages.
    #[serde(default, skip_serializing_if = "Rules::is_empty")]
    pub rules: Rules,
}

impl Room {
    /// What makes names equal: surrounding space and case are ignored.
    #[must_use]
    pub fn name_key(name: &str) -> String {
        name.trim().to_lowercase()
    }

    /// Whether both are the same room, however it changed; another that has the same id is not.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        (&self.id, self.created_at, &self.instance) == (&other.id, other.created_at, &other.instance)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    #[default]
    Member,
    Moderator,
    Owner,
}

impl Role {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Moderator => "moderator",
            Self::Owner => "owner",
        }
    }
}

/// One user's membership of one room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub user: UserId,
    pub role: Role,
    pub joined_at: Timestamp,
    /// `seq` of the `joined` entry; none while it is not known to be written, so that a repeat finishes the work.
    pub joined_seq: Option<u64>,
    /// `seq` of the log's head when the row was made.
    #[serde(default)]
    pub since: u64,
    /// How far the user has read. Only ever raised.
    pub read: ReadMark,
}

impl Member {
    /// Whether both are the same membership, however it changed; a later one of the same user is not.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        (&self.user, self.joined_at, self.since) == (&other.user, other.joined_at, other.since)
    }
}

/// A position in a log: `seq`, and the count of messages up to it. Unread = head's count − `number`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadMark {
    pub seq: u64,
    pub number: u64,
}

impl ReadMark {
    /// The farther of the two, in each part: a mark is never lowered.
    #[must_use]
    pub fn raised_to(self, other: Self) -> Self {
        Self { seq: self.seq.max(other.seq), number: self.number.max(other.number) }
    }
}
