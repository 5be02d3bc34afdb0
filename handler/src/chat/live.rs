use bytes::Bytes;

use super::{Caller, Chat, Refused};
use crate::model::UserId;

/// What a new connection is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Welcome {
    pub groups: Vec<String>,
    pub roles: Vec<String>,
}

impl Chat {
    /// Groups and rights of a connection that is about to open.
    pub async fn connecting(&self, user: &UserId) -> Result<Welcome, Refused> {
        todo!()
    }

    /// The connection is open: hands over what waits in the inbox.
    pub async fn connected(&self, user: &UserId, connection: &str) -> Result<(), Refused> {
        todo!()
    }

    pub async fn disconnected(&self, user: &UserId, connection: &str) {
        todo!()
    }

    /// A named event of a connection (`caller.via` is the socket) with its JSON payload; the answer is one JSON object.
    /// The event `message` is a plain WebSocket text frame, see [`Chat::text_frame`].
    pub async fn event(&self, caller: &Caller, name: &str, payload: &[u8]) -> Result<Option<Bytes>, Refused> {
        todo!()
    }

    /// A text frame `{"action": …}` of a plain WebSocket. Every one has an answer; mistakes are answered
    /// `{"type":"error","code","message","field"?}`.
    pub async fn text_frame(&self, caller: &Caller, frame: &[u8]) -> Bytes {
        todo!()
    }
}
