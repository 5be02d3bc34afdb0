use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{MessageId, Role, SanctionKind, Timestamp, UserId};

/// What an entry of a conversation's log says. Targets are named by their `seq`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Change {
    Message(NewMessage),
    /// Replaces the content of a message. Refused when the target is deleted or no message, or was edited as often as
    /// may be.
    Edit {
        target: u64,
        content: String,
        by: UserId,
    },
    /// Blanks the target's content and attachment, in its state, its entry and the entries of its edits; rows and
    /// numbers stay. Refused when the target is no message. Idempotent.
    Delete {
        target: u64,
        by: UserId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Sets (`on`) or takes away one user's emoji. Refused when the target is deleted or no message, and where it is so
    /// already: no entry says what changes nothing.
    Reaction {
        target: u64,
        emoji: String,
        by: UserId,
        on: bool,
    },
    Joined {
        user: UserId,
        role: Role,
    },
    Left {
        user: UserId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<UserId>,
    },
    /// A member's role from here on.
    RoleChanged {
        user: UserId,
        role: Role,
        by: UserId,
    },
    /// A ban or a mute was laid on a user (`on`), or lifted.
    Sanctioned {
        user: UserId,
        kind: SanctionKind,
        on: bool,
        by: UserId,
        /// When it ends by itself; none while it is lifted by hand only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Pins a message (`on`) or unpins it. Refused when the target is deleted or no message, when as many are pinned as
    /// may be, and where it is so already.
    Pinned {
        target: u64,
        by: UserId,
        on: bool,
    },
    /// The room's name or description as they are from here on.
    RoomChanged {
        name: String,
        description: String,
        by: UserId,
    },
    /// The room is gone. The last entry of its log, unless the id is opened again.
    RoomDeleted {
        by: UserId,
    },
}

impl Change {
    /// Who did it.
    #[must_use]
    pub fn author(&self) -> &UserId {
        match self {
            Self::Message(message) => &message.sender,
            Self::Edit { by, .. }
            | Self::Delete { by, .. }
            | Self::Reaction { by, .. }
            | Self::RoleChanged { by, .. }
            | Self::Sanctioned { by, .. }
            | Self::Pinned { by, .. }
            | Self::RoomChanged { by, .. }
            | Self::RoomDeleted { by }
            | Self::Left { by: Some(by), .. } => by,
            Self::Joined { user, .. } | Self::Left { user, by: None } => user,
        }
    }
}

/// A message as its sender wrote it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewMessage {
    pub id: MessageId,
    pub sender: UserId,
    /// The display name the sender had when the message was appended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender_name: Option<String>,
    pub content: String,
    /// The sender's own time, kept as given; never used for order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachment_url: Option<String>,
    /// `seq` of the message this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<u64>,
    /// Of a direct message: whom it is to. A conversation's id does not tell, and who sent is not enough to find who got it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<UserId>,
}

/// One immutable line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Position in the log: 1, 2, 3 … without gaps, over all kinds of change.
    pub seq: u64,
    /// How many messages the log holds up to and including this entry. A message's own number, therefore.
    pub number: u64,
    /// When it was stored (server time).
    pub at: Timestamp,
    pub change: Change,
}

/// A message as it stands now, after the edits, deletions and reactions up to `as_of`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageState {
    pub seq: u64,
    pub number: u64,
    pub at: Timestamp,
    pub message: NewMessage,
    /// `seq` of the last entry that shaped this state; a client skips entries up to here for this message.
    pub as_of: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<Timestamp>,
    /// Content is blank and stays so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// Who reacted, by emoji.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reactions: BTreeMap<String, BTreeSet<UserId>>,
}

/// The head row of a conversation. Once made it is never deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// `seq` of the last entry; 0 before the first.
    pub seq: u64,
    /// Number of messages ever appended; the last message's `number`.
    pub count: u64,
    /// Entries up to and including this `seq` were removed by retention; 0 when none was.
    pub floor: u64,
    /// Everything up to this `seq` is known to have been handed to the transport.
    pub sent: u64,
    /// The room was deleted: nothing can be appended until the conversation is opened again.
    pub closed: bool,
    /// `seq` of the pinned messages, in the order of pinning; at most [`super::bounds::PINS`], none deleted, all above
    /// the floor.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pins: Vec<u64>,
}
