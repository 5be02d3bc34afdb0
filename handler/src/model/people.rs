use serde::{Deserialize, Serialize};

use super::{ConversationId, Role, RoomId, Timestamp, UserId};

/// What a user says of themself, and when they were last there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    pub user: UserId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// When the last of their connections closed, or was found dead. Only ever raised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
    /// Tokens for sockets that were made until then do not count. Only ever raised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_out_at: Option<Timestamp>,
}

impl Profile {
    /// With what the user says now; what others noted stays.
    #[must_use]
    pub fn replaced_by(&self, said: &Self) -> Self {
        Self { last_seen: self.last_seen, signed_out_at: self.signed_out_at, ..said.clone() }
    }

    /// Without what tells of the user; `None` where nothing is left.
    #[must_use]
    pub fn blanked(&self) -> Option<Self> {
        let signed_out_at = self.signed_out_at?;
        Some(Self { signed_out_at: Some(signed_out_at), ..Self::of(self.user.clone()) })
    }

    /// Of a user who said nothing yet.
    #[must_use]
    pub const fn of(user: UserId) -> Self {
        Self { user, display_name: None, avatar_url: None, last_seen: None, signed_out_at: None }
    }
}

/// A live connection of a user: who has one is online.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    pub user: UserId,
    /// The transport's id for it.
    pub connection: String,
    pub since: Timestamp,
    /// `false` from `connect` on, `true` from `connected` on.
    pub confirmed: bool,
    /// The rooms that `connect` let it into, while it is unconfirmed: what changed since is repaired by them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rooms: Vec<RoomId>,
}

/// A link that lets whoever has its token join a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// Hex SHA-256 of the token, which itself is stored nowhere.
    pub id: String,
    pub room: RoomId,
    pub by: UserId,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    /// How many users it lets in.
    pub max_uses: u32,
    /// Whom it let in. A user who comes again costs no further use.
    #[serde(default)]
    pub used_by: Vec<UserId>,
    pub role: Role,
}

/// A person's data on its way out. The row stays when it is done, and tells that it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    pub user: UserId,
    /// Who asked for it.
    pub by: UserId,
    pub requested_at: Timestamp,
    /// How often all conversations were gone through.
    pub laps: u32,
    /// How far this lap has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to: Option<ConversationId>,
    /// How far in the conversation behind that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<(ConversationId, u64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_at: Option<Timestamp>,
}
