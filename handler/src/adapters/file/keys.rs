//! Keys as bytes that sort as their parts do. A part that is followed by another either has a fixed width, or ends
//! with a byte it cannot hold (ids of rooms and conversations: NUL), or stands behind its length (user and message
//! ids, which may hold any byte; their order among each other is then of no use, and of no need).

use crate::model::{ConversationId, Marker, MessageId, RoomId, UserId};
use crate::ports::InboxKey;

/// A key under construction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Key(Vec<u8>);

impl Key {
    pub(super) fn conversation(id: &ConversationId) -> Self {
        Self::default().terminated(id.as_str())
    }

    pub(super) fn room(id: &RoomId) -> Self {
        Self::default().terminated(id.as_str())
    }

    pub(super) fn user(id: &UserId) -> Self {
        Self::default().counted(id.as_str())
    }

    pub(super) fn then_conversation(self, id: &ConversationId) -> Self {
        self.terminated(id.as_str())
    }

    pub(super) fn then_message_id(self, id: &MessageId) -> Self {
        self.counted(id.as_str())
    }

    /// As the last part.
    pub(super) fn then_text(mut self, text: &str) -> Self {
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    /// As the last part.
    pub(super) fn then_key(mut self, key: &Self) -> Self {
        self.0.extend_from_slice(&key.0);
        self
    }

    pub(super) fn then_byte(mut self, byte: u8) -> Self {
        self.0.push(byte);
        self
    }

    /// Of a fixed width, or as the last part.
    pub(super) fn then_bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn then_number(mut self, number: u64) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    pub(super) fn then_marker(mut self, marker: &Marker) -> Self {
        self.0.extend_from_slice(marker.as_bytes());
        self
    }

    pub(super) fn then_place(self, key: &InboxKey) -> Self {
        self.then_number(key.at.millis()).then_marker(&key.marker)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Behind every key that begins with this one.
    pub(super) fn end_of_prefix(&self) -> Self {
        let mut end = self.0.clone();
        while let Some(last) = end.pop() {
            if last < u8::MAX {
                end.push(last + 1);
                break;
            }
        }
        Self(end)
    }

    fn terminated(mut self, text: &str) -> Self {
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(0);
        self
    }

    fn counted(mut self, text: &str) -> Self {
        // Both kinds of id are 128 bytes at most.
        self.0.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
        self.0.extend_from_slice(text.as_bytes());
        self
    }
}

/// The last 8 bytes before the last `behind` bytes, as a number.
pub(super) fn number_before(key: &[u8], behind: usize) -> Option<u64> {
    let end = key.len().checked_sub(behind)?;
    let bytes = key.get(end.checked_sub(8)?..end)?;
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::data::{conversation, odd_texts, room_id, user};

    #[test]
    fn keys_sort_as_their_parts_do() {
        let conversations = ["-", "A", "_", "a", "a-", "a0", "aa", "b"].map(conversation);
        let parts: Vec<_> = conversations
            .iter()
            .flat_map(|id| [0, 1, 255, 256, u64::MAX].map(|seq| Key::conversation(id).then_number(seq)))
            .collect();
        assert!(parts.is_sorted_by(|a, b| a.as_bytes() < b.as_bytes()));

        let mut users: Vec<String> = odd_texts();
        users.sort_unstable();
        users.dedup();
        let members: Vec<_> = users.iter().map(|user| Key::room(&room_id("tea")).then_text(user)).collect();
        assert!(members.is_sorted_by(|a, b| a.as_bytes() < b.as_bytes()));
    }

    #[test]
    fn a_prefix_holds_its_own_keys_and_no_others() {
        let texts = odd_texts();
        for owner in &texts {
            let prefix = Key::user(&user(owner));
            let end = prefix.end_of_prefix();
            for other in &texts {
                let key = Key::user(&user(other)).then_text("room");
                let inside = prefix.as_bytes() <= key.as_bytes() && key.as_bytes() < end.as_bytes();
                assert_eq!(inside, owner == other, "{owner:?}, {other:?}");
            }
        }
    }

    #[test]
    fn a_number_is_found_before_the_end() {
        let key = Key::user(&user("ann")).then_number(7).then_text("xy");
        assert_eq!(number_before(key.as_bytes(), 2), Some(7));
        assert_eq!(number_before(b"short", 0), None);
        assert_eq!(number_before(b"short", 9), None);
    }
}
