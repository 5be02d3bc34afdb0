//! Names of the transport's groups. Nothing else decides who receives what.

use sha2::{Digest, Sha256};

use crate::model::{RoomId, UserId};

/// Everybody who is told of changes to the list of rooms.
pub const ROOM_LIST: &str = "sys_rooms";

/// Longest user id that is spelled out in a group's name. A group name holds 1,024 characters, but travels in paths and filters,
/// where a name of plain characters needs no escaping.
const SPELLED_USER_BYTES: usize = 64;

#[must_use]
pub fn room(room: &RoomId) -> String {
    format!("room_{room}")
}

/// `user_<id>`; for ids that are long or not plain, `user_h_` and the first 32 hex digits of their SHA-256.
#[must_use]
pub fn user(user: &UserId) -> String {
    let id = user.as_str();
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'@');
    // An id that looks like a hashed one is hashed itself, so that nobody can name themself into another's group.
    if id.len() <= SPELLED_USER_BYTES && id.bytes().all(plain) && !id.starts_with("h_") {
        format!("user_{id}")
    } else {
        format!("user_h_{}", hex::encode(&Sha256::digest(id.as_bytes())[..16]))
    }
}

/// The right that lets a connection join and leave this one group by itself.
#[must_use]
pub fn join_leave_role(group: &str) -> String {
    format!("webpubsub.joinLeaveGroup.{group}")
}
