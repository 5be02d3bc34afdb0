//! What clients see: one JSON object per message, the same live and in history, and one per room.

use bytes::Bytes;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::model::{
    Change, ConversationId, Entry, Links, MessageState, NewMessage, Room, RoomId, Timestamp, UserId,
};

/// Where a message was said.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    Room {
        id: &'a RoomId,
        name: &'a str,
    },
    /// Between two people; `to` is the one who did not write it.
    Direct {
        conversation: &'a ConversationId,
        to: &'a UserId,
    },
}

/// A message as clients read it:
/// `{"type":"message","id","seq","number","room_id","room_name","sender","content","timestamp", …}`, a direct one with
/// `"conversation"` and `"to"` in place of the room. Optional fields are absent, never null; those of the present state
/// (`edited_at`, `deleted_at`, `reactions`, `as_of`) appear with the first change.
#[derive(Clone, Copy, Debug)]
pub struct MessageView<'a> {
    pub place: Place<'a>,
    pub seq: u64,
    pub number: u64,
    pub at: Timestamp,
    pub message: &'a NewMessage,
    /// What later entries made of it. None for the message as it was appended.
    pub state: Option<&'a MessageState>,
    /// The item's own name in an inbox.
    pub inbox_id: Option<&'a str>,
}

impl<'a> MessageView<'a> {
    #[must_use]
    pub fn of_state(place: Place<'a>, state: &'a MessageState) -> Self {
        Self {
            place,
            seq: state.seq,
            number: state.number,
            at: state.at,
            message: &state.message,
            state: Some(state),
            inbox_id: None,
        }
    }
}

impl Serialize for Place<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.write(&mut map)?;
        map.end()
    }
}

impl Place<'_> {
    fn write<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        match self {
            Self::Room { id, name } => {
                map.serialize_entry("room_id", id.as_str())?;
                map.serialize_entry("room_name", name)
            }
            Self::Direct { conversation, to } => {
                map.serialize_entry("conversation", conversation.as_str())?;
                map.serialize_entry("to", to.as_str())
            }
        }
    }
}

impl Serialize for MessageView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", "message")?;
        map.serialize_entry("id", self.message.id.as_str())?;
        map.serialize_entry("seq", &self.seq)?;
        map.serialize_entry("number", &self.number)?;
        self.place.write(&mut map)?;
        map.serialize_entry("sender", self.message.sender.as_str())?;
        optional(&mut map, "sender_name", self.message.sender_name.as_ref())?;
        map.serialize_entry("content", &self.message.content)?;
        map.serialize_entry("timestamp", &self.at)?;
        optional(&mut map, "sent_at", self.message.sent_at.as_ref())?;
        optional(&mut map, "attachment_url", self.message.attachment_url.as_ref())?;
        optional(&mut map, "attachment_id", self.message.attachment_id.as_ref())?;
        optional(&mut map, "reply_to", self.message.reply_to.as_ref())?;
        if let Some(state) = self.state.filter(|state| state.as_of != state.seq) {
            write_state(&mut map, state)?;
        }
        optional(&mut map, "inbox_id", self.inbox_id.as_ref())?;
        map.end()
    }
}

fn optional<M: SerializeMap, T: Serialize>(
    map: &mut M,
    name: &'static str,
    value: Option<&T>,
) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(name, value))
}

/// Reactions are told as counts: who reacted is a list as long as the room.
fn write_state<M: SerializeMap>(map: &mut M, state: &MessageState) -> Result<(), M::Error> {
    struct Counts<'a>(&'a MessageState);
    impl Serialize for Counts<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map(self.0.reactions.iter().map(|(emoji, users)| (emoji, users.len())))
        }
    }
    optional(map, "edited_at", state.edited_at.as_ref())?;
    optional(map, "deleted_at", state.deleted_at.as_ref())?;
    if !state.reactions.is_empty() {
        map.serialize_entry("reactions", &Counts(state))?;
    }
    map.serialize_entry("as_of", &state.as_of)
}

/// The live frame of any entry. A message's is its [`MessageView`]; the others say `"type"`, `"seq"`, `"number"`, the
/// place, what changed, and `"timestamp"`.
pub(super) struct Frame<'a>(pub(super) Place<'a>, pub(super) &'a Entry);

impl Serialize for Frame<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write_change(self.0, self.1, serializer)
    }
}

fn write_change<S: Serializer>(place: Place<'_>, entry: &Entry, serializer: S) -> Result<S::Ok, S::Error> {
    if let Change::Message(message) = &entry.change {
        let view = MessageView {
            place,
            seq: entry.seq,
            number: entry.number,
            at: entry.at,
            message,
            state: None,
            inbox_id: None,
        };
        return view.serialize(serializer);
    }
    let mut map = serializer.serialize_map(None)?;
    let kind = match &entry.change {
        Change::Message(_) => "message",
        Change::Edit { .. } => "edit",
        Change::Delete { .. } => "delete",
        Change::Reaction { .. } => "reaction",
        Change::Joined { .. } => "joined",
        Change::Left { .. } => "left",
        Change::RoleChanged { .. } => "role_changed",
        Change::Sanctioned { .. } => "sanctioned",
        Change::Pinned { .. } => "pinned",
        Change::RoomChanged { .. } => "room_changed",
        Change::RoomDeleted { .. } => "room_deleted",
    };
    map.serialize_entry("type", kind)?;
    map.serialize_entry("seq", &entry.seq)?;
    map.serialize_entry("number", &entry.number)?;
    place.write(&mut map)?;
    write_details(&mut map, &entry.change)?;
    map.serialize_entry("timestamp", &entry.at)?;
    map.end()
}

fn write_details<M: SerializeMap>(map: &mut M, change: &Change) -> Result<(), M::Error> {
    match change {
        Change::Message(_) => Ok(()),
        Change::Edit { target, content, by } => {
            map.serialize_entry("target", target)?;
            map.serialize_entry("content", content)?;
            map.serialize_entry("by", by.as_str())
        }
        Change::Delete { target, by, reason } => {
            map.serialize_entry("target", target)?;
            map.serialize_entry("by", by.as_str())?;
            optional(map, "reason", reason.as_ref())
        }
        Change::Reaction { target, emoji, by, on } => {
            map.serialize_entry("target", target)?;
            map.serialize_entry("emoji", emoji)?;
            map.serialize_entry("by", by.as_str())?;
            map.serialize_entry("on", on)
        }
        Change::Joined { user, role } => {
            map.serialize_entry("user", user.as_str())?;
            map.serialize_entry("role", role)
        }
        Change::Left { user, by } => {
            map.serialize_entry("user", user.as_str())?;
            optional(map, "by", by.as_ref())
        }
        Change::RoleChanged { user, role, by } => {
            map.serialize_entry("user", user.as_str())?;
            map.serialize_entry("role", role)?;
            map.serialize_entry("by", by.as_str())
        }
        Change::Sanctioned { user, kind, on, by, until, reason } => {
            map.serialize_entry("user", user.as_str())?;
            map.serialize_entry("kind", kind)?;
            map.serialize_entry("on", on)?;
            map.serialize_entry("by", by.as_str())?;
            optional(map, "until", until.as_ref())?;
            optional(map, "reason", reason.as_ref())
        }
        Change::Pinned { target, by, on } => {
            map.serialize_entry("target", target)?;
            map.serialize_entry("by", by.as_str())?;
            map.serialize_entry("on", on)
        }
        Change::RoomChanged { name, description, by } => {
            map.serialize_entry("name", name)?;
            map.serialize_entry("description", description)?;
            map.serialize_entry("by", by.as_str())
        }
        Change::RoomDeleted { by } => map.serialize_entry("by", by.as_str()),
    }
}

/// Encodes what is made of texts, numbers and maps with text keys, which cannot fail.
pub(super) fn encode<T: Serialize>(value: &T) -> Bytes {
    let mut json = Vec::with_capacity(256);
    if let Err(error) = serde_json::to_writer(&mut json, value) {
        tracing::error!(%error, "a value of our own could not be encoded");
    }
    Bytes::from(json)
}

/// A room as clients read it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RoomView {
    pub id: RoomId,
    pub name: String,
    pub description: String,
    pub created_by: UserId,
    pub created_at: Timestamp,
    /// Persistent members, online or not.
    pub member_count: usize,
    pub is_private: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u32>,
    /// Who may send links; absent where everybody may who may send.
    #[serde(skip_serializing_if = "is_open")]
    pub links: Links,
}

fn is_open(links: &Links) -> bool {
    *links == Links::Allow
}

impl RoomView {
    #[must_use]
    pub fn new(room: &Room, member_count: usize) -> Self {
        Self {
            id: room.id.clone(),
            name: room.name.clone(),
            description: room.description.clone(),
            created_by: room.created_by.clone(),
            created_at: room.created_at,
            member_count,
            is_private: room.is_private,
            links: room.rules.links,
            retention_days: room.retention_days,
        }
    }
}
