use crate::model::{MessageId, RoomId, Timestamp};

/// The wall clock. For waiting use tokio's time, which tests can pause.
pub trait Clock: Send + Sync {
    /// May go backwards; order never comes from it.
    fn now(&self) -> Timestamp;
}

/// Chance: ids nobody can guess and nobody had before.
pub trait Ids: Send + Sync {
    fn message_id(&self) -> MessageId;
    fn room_id(&self) -> RoomId;
    /// 16 random bytes as 32 hex digits.
    fn token(&self) -> String;
}
