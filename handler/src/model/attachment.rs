//! Files that messages carry: their ids, their names, and what is kept of each.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{ConversationId, InvalidId, Marker, Timestamp, UserId, bounds};

/// Hex digits that stand for the owner, and as many for the file.
const HALF: usize = 32;
/// What Windows takes for a device, whatever its ending.
const DEVICES: [&str; 4] = ["CON", "PRN", "AUX", "NUL"];

/// 64 hex digits: the first half is the same for all files of one user. Knowing one permits nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AttachmentId(Arc<str>);

impl AttachmentId {
    /// The id of the owner's file that `key` names: the same for the same key.
    #[must_use]
    pub fn new(owner: &UserId, key: &[u8]) -> Self {
        Self(format!("{}{}", Self::shelf_of(owner), half(key)).into())
    }

    /// `None` for what is no id.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        (text.len() == 2 * HALF && is_hex).then(|| Self(text.into()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The half that all files of one user share.
    #[must_use]
    pub fn shelf(&self) -> &str {
        self.0.get(..HALF).unwrap_or_default()
    }

    #[must_use]
    pub fn shelf_of(owner: &UserId) -> String {
        half(owner.as_str().as_bytes())
    }
}

fn half(bytes: &[u8]) -> String {
    let mut digits = hex::encode(Sha256::digest(bytes));
    digits.truncate(HALF);
    digits
}

impl TryFrom<String> for AttachmentId {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::parse(&text).ok_or(InvalidId::Alphabet)
    }
}

impl From<AttachmentId> for String {
    fn from(id: AttachmentId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl fmt::Display for AttachmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AttachmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AttachmentId({})", self.0)
    }
}

/// What is known of one file. The file itself may not be there yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    pub id: AttachmentId,
    pub owner: UserId,
    /// Where it may be attached, and whose readers may read it.
    pub conversation: ConversationId,
    /// In a conversation of two: the one who is not the owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<UserId>,
    pub name: String,
    pub content_type: String,
    /// At most so many; once it is checked, exactly so many.
    pub bytes: u64,
    /// When it was asked for.
    pub at: Timestamp,
    /// The file is there, and is what it was said to be.
    #[serde(default)]
    pub checked: bool,
    /// The message that carries it. Never changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_by: Option<Marker>,
}

/// What may be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachmentRules {
    /// Of one file.
    pub max_bytes: u64,
    /// In lower case, without parameters.
    pub types: Vec<String>,
    /// Of all files of one user.
    pub quota_bytes: u64,
}

impl Default for AttachmentRules {
    fn default() -> Self {
        let types = DEFAULT_TYPES.split(',').map(|text| text.trim().to_owned()).collect();
        Self { max_bytes: 10 * 1024 * 1024, types, quota_bytes: 1024 * 1024 * 1024 }
    }
}

/// What is taken where nothing else is said.
const DEFAULT_TYPES: &str = "image/png,image/jpeg,image/gif,image/webp,application/pdf,text/plain,text/csv,application/json,\
application/zip,application/vnd.openxmlformats-officedocument.wordprocessingml.document,\
application/vnd.openxmlformats-officedocument.spreadsheetml.sheet,\
application/vnd.openxmlformats-officedocument.presentationml.presentation,\
video/mp4,video/webm,audio/mpeg,audio/mp4,audio/ogg,audio/wav";

/// A file's name that is harmless wherever it is shown or saved: the last part of a path, without characters that control,
/// reorder or hide text, without what file systems reserve, at most [`bounds::FILE_NAME_CHARS`] long with its ending kept.
/// `None` where nothing is left.
#[must_use]
pub fn file_name(text: &str) -> Option<String> {
    let last = text.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept = last.chars().filter(|c| !c.is_control() && !is_invisible(*c));
    let name: String =
        kept.map(|c| if matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*') { '_' } else { c }).collect();
    let name = name.trim_matches(|c: char| c.is_whitespace() || c == '.');
    if name.is_empty() {
        return None;
    }
    let stem = name.split('.').next().unwrap_or_default().trim().to_ascii_uppercase();
    let numbered =
        |device| stem.strip_prefix(device).is_some_and(|n| n.len() == 1 && n.as_bytes()[0].is_ascii_digit());
    let is_device = DEVICES.contains(&stem.as_str()) || numbered("COM") || numbered("LPT");
    let name = if is_device { format!("_{name}") } else { name.to_owned() };
    Some(shortened(&name))
}

/// Marks of direction, joiners, and what else takes no place.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn shortened(name: &str) -> String {
    let max = bounds::FILE_NAME_CHARS;
    if name.chars().count() <= max {
        return name.to_owned();
    }
    let ending =
        name.rsplit_once('.').map(|(_, ending)| ending).filter(|ending| ending.chars().count() <= 10);
    let ending = ending.map(|ending| format!(".{ending}")).unwrap_or_default();
    let kept: String = name.chars().take(max - ending.chars().count()).collect();
    format!("{kept}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_harmless() {
        for (given, kept) in [
            ("photo.png", "photo.png"),
            ("../../etc/passwd", "passwd"),
            (r"C:\Windows\a b.txt", "a b.txt"),
            ("\u{202e}gnp.exe", "gnp.exe"),
            ("a\u{0}\r\nb\u{200d}.txt", "ab.txt"),
            ("  ..hidden.. ", "hidden"),
            ("nul.txt", "_nul.txt"),
            ("com1", "_com1"),
            ("comic.txt", "comic.txt"),
            ("a<b>\"c\".txt", "a_b__c_.txt"),
            ("фото 🦀.jpg", "фото 🦀.jpg"),
        ] {
            assert_eq!(file_name(given).as_deref(), Some(kept), "{given:?}");
        }
        for nothing in ["", "..", "a/", " . ", "\u{202e}", "/"] {
            assert_eq!(file_name(nothing), None, "{nothing:?}");
        }
        let long = file_name(&format!("{}.jpeg", "é".repeat(500))).unwrap();
        assert_eq!(long.chars().count(), bounds::FILE_NAME_CHARS);
        assert!(long.ends_with("é.jpeg"));
    }

    #[test]
    fn ids_of_one_user_begin_alike_and_others_are_none() {
        let (ann, bob) = (UserId::new("ann").unwrap(), UserId::new("bob").unwrap());
        let id = AttachmentId::new(&ann, b"1");
        assert_eq!(AttachmentId::new(&ann, b"1"), id);
        assert_ne!(AttachmentId::new(&ann, b"2"), id);
        assert_eq!(AttachmentId::new(&ann, b"2").shelf(), AttachmentId::shelf_of(&ann));
        assert_ne!(AttachmentId::new(&bob, b"1").shelf(), id.shelf());
        assert_eq!(AttachmentId::parse(id.as_str()), Some(id));
        for text in ["", "../x", &"A".repeat(64), &"a".repeat(63), &"é".repeat(32)] {
            assert_eq!(AttachmentId::parse(text), None);
        }
    }
}
