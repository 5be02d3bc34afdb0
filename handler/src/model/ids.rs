use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::bounds;

/// Why a text is no id. The sentence is meant for the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    #[error("must not be empty")]
    Empty,
    #[error("must be at most {max} bytes of UTF-8, but has {actual}")]
    TooLong { max: usize, actual: usize },
    #[error("may hold only letters, digits, '_' and '-'")]
    Alphabet,
    #[error("must not hold control characters")]
    Control,
    #[error("must not look like a direct conversation (d_ and 32 hex digits)")]
    Reserved,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), &*self.0)
            }
        }
    };
}

text_id!(
    /// Who: 1–128 bytes of UTF-8, otherwise free.
    UserId
);
text_id!(
    /// The sender's name for a message: 1–128 bytes of UTF-8, otherwise free. Unique only together with
    /// sender and conversation, see [`Marker`].
    MessageId
);
text_id!(
    /// `[A-Za-z0-9_-]{1,64}`, and never of the form of a direct conversation.
    RoomId
);
text_id!(
    /// A room's id, or `d_` and 32 hex digits for a pair of people. Also the broker's SessionId.
    ConversationId
);

const GUEST_DIGITS: usize = 8;

fn bounded(text: &str, max: usize) -> Result<Arc<str>, InvalidId> {
    match text.len() {
        0 => Err(InvalidId::Empty),
        actual if actual > max => Err(InvalidId::TooLong { max, actual }),
        _ => Ok(Arc::from(text)),
    }
}

fn is_direct(text: &str) -> bool {
    text.strip_prefix("d_").is_some_and(|digits| digits.len() == 32 && is_hex(digits))
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

impl UserId {
    pub fn new(text: &str) -> Result<Self, InvalidId> {
        bounded(text, bounds::USER_ID_BYTES).map(Self)
    }

    /// One that somebody gives now. Control characters, which stores keep of ids from before, are refused: they are seen nowhere and
    /// make one name look like another.
    pub fn given(text: &str) -> Result<Self, InvalidId> {
        if text.chars().any(char::is_control) {
            return Err(InvalidId::Control);
        }
        Self::new(text)
    }

    /// The name of a caller who gave none: `guest-` and the first eight digits of a random token.
    pub fn guest(token: &str) -> Result<Self, InvalidId> {
        Self::new(&format!("guest-{}", token.get(..GUEST_DIGITS).unwrap_or(token)))
    }

    /// Who acts where nobody does: this program by itself.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::from("system"))
    }

    /// Whether it is of the form that guests are given. Nobody comes back under such a name, so nothing is kept for it.
    #[must_use]
    pub fn is_guest(&self) -> bool {
        self.0.strip_prefix("guest-").is_some_and(|digits| digits.len() == GUEST_DIGITS && is_hex(digits))
    }
}

impl MessageId {
    pub fn new(text: &str) -> Result<Self, InvalidId> {
        bounded(text, bounds::MESSAGE_ID_BYTES).map(Self)
    }
}

impl RoomId {
    pub fn new(text: &str) -> Result<Self, InvalidId> {
        let id = bounded(text, bounds::ROOM_ID_BYTES)?;
        if !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
            return Err(InvalidId::Alphabet);
        }
        if is_direct(&id) { Err(InvalidId::Reserved) } else { Ok(Self(id)) }
    }
}

impl ConversationId {
    /// Reads a stored id; it is a room's or a pair's.
    pub fn new(text: &str) -> Result<Self, InvalidId> {
        if is_direct(text) {
            Ok(Self(Arc::from(text)))
        } else {
            RoomId::new(text).map(|room| room.conversation())
        }
    }

    /// The conversation of a pair: the same whoever of the two asks. A user may write to themself.
    #[must_use]
    pub fn direct(one: &UserId, other: &UserId) -> Self {
        let (first, second) = if one <= other { (one, other) } else { (other, one) };
        let digest = hash_parts(&[first.as_str(), second.as_str()]);
        Self(Arc::from(format!("d_{}", hex::encode(&digest[..16]))))
    }

    #[must_use]
    pub fn is_direct(&self) -> bool {
        is_direct(&self.0)
    }

    /// The room, where this is one.
    #[must_use]
    pub fn room(&self) -> Option<RoomId> {
        (!self.is_direct()).then(|| RoomId(self.0.clone()))
    }
}

impl RoomId {
    #[must_use]
    pub fn conversation(&self) -> ConversationId {
        ConversationId(self.0.clone())
    }
}

/// The identity of an accepted command: SHA-256 of (conversation, sender, id), each length-prefixed. Its hex
/// form is the broker's MessageId. Appending a marker that is already there changes nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Marker([u8; 32]);

impl TryFrom<String> for Marker {
    type Error = hex::FromHexError;
    fn try_from(text: String) -> Result<Self, hex::FromHexError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl From<Marker> for String {
    fn from(marker: Marker) -> Self {
        marker.to_string()
    }
}

impl Marker {
    #[must_use]
    pub fn new(conversation: &ConversationId, sender: &UserId, id: &MessageId) -> Self {
        Self(hash_parts(&[conversation.as_str(), sender.as_str(), id.as_str()]))
    }

    /// The identity of a command that is no message, such as a join. `key` tells its occasions apart. Four parts never
    /// hash as three do, so no sender can choose an id that pre-empts one.
    #[must_use]
    pub fn of_command(conversation: &ConversationId, user: &UserId, command: &str, key: &str) -> Self {
        Self(hash_parts(&[conversation.as_str(), user.as_str(), command, key]))
    }

    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Marker({self})")
    }
}

/// SHA-256 over the parts, each behind its length (8 bytes, big-endian), so that no two lists of parts share a hash.
fn hash_parts(parts: &[&str]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_has_one_conversation_whoever_asks() {
        let (ann, bob) = (UserId::new("ann").unwrap(), UserId::new("bob").unwrap());
        let conversation = ConversationId::direct(&ann, &bob);
        assert_eq!(conversation, ConversationId::direct(&bob, &ann));
        assert!(conversation.is_direct());
        assert_eq!(conversation.room(), None);
        assert_eq!(ConversationId::new(conversation.as_str()), Ok(conversation));
    }

    #[test]
    fn a_guest_is_known_by_the_name() {
        let guest = UserId::guest("0123456789abcdef").unwrap();
        assert_eq!(guest.as_str(), "guest-01234567");
        assert!(guest.is_guest());
        for name in ["guest-", "guest-0123456", "guest-012345678", "guest-anna0000", "01234567", "ann"] {
            assert!(!UserId::new(name).unwrap().is_guest(), "{name}");
        }
    }

    #[test]
    fn control_characters_are_taken_from_stores_alone() {
        for odd in ["\0", "a\nb", "a\u{7f}", "\u{85}ann"] {
            assert_eq!(UserId::given(odd), Err(InvalidId::Control), "{odd:?}");
            assert_eq!(UserId::new(odd).unwrap().as_str(), odd);
        }
        for fine in ["ann", "an n", "é", "👩‍👩‍👧", "guest-1"] {
            assert_eq!(UserId::given(fine), UserId::new(fine));
        }
        assert_eq!(UserId::given(""), Err(InvalidId::Empty));
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let pair =
            |a: &str, b: &str| ConversationId::direct(&UserId::new(a).unwrap(), &UserId::new(b).unwrap());
        assert_ne!(pair("ab", "c"), pair("a", "bc"));
    }

    #[test]
    fn room_ids_are_plain_and_never_those_of_a_pair() {
        assert!(RoomId::new("general").is_ok());
        assert_eq!(RoomId::new(""), Err(InvalidId::Empty));
        assert_eq!(RoomId::new("a b"), Err(InvalidId::Alphabet));
        assert_eq!(RoomId::new(&"x".repeat(65)), Err(InvalidId::TooLong { max: 64, actual: 65 }));
        assert_eq!(RoomId::new("d_0123456789abcdef0123456789abcdef"), Err(InvalidId::Reserved));
    }
}
