use crate::model::{ConversationId, Marker, NewMessage, RoomId, Timestamp, UserId};

#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    Room(RoomId),
    Direct(UserId),
}

#[derive(Clone, Debug, PartialEq)]
pub struct QueuedMessage {
    pub target: Target,
    pub conversation: ConversationId,
    pub marker: Marker,
    pub accepted_at: Option<Timestamp>,
    pub message: NewMessage,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poison {
    pub code: &'static str,
    pub reason: String,
}
