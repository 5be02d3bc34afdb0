use super::{Caller, Chat, Refused, RoomView};

impl Chat {
    /// Makes the caller a member and admits their live connections. Changes nothing for a member.
    pub async fn join_room(&self, caller: &Caller, room: &str) -> Result<RoomView, Refused> {
        todo!()
    }

    /// Ends the caller's membership and takes their live connections out. Changes nothing for a non-member.
    pub async fn leave_room(&self, caller: &Caller, room: &str) -> Result<RoomView, Refused> {
        todo!()
    }
}
