//! Names of hubs, groups and events.

use std::fmt;
use std::str::FromStr;

/// The longest group name, in UTF-16 units, which is how the service counts.
pub const MAX_GROUP_NAME: usize = 1024;

/// The name of a hub, kept in lower case because hubs are compared without case.
///
/// A letter, then up to 127 letters, digits or characters of ``_`,.[]``.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HubName(Box<str>);

/// The text is not the name of a hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid hub name.")]
pub struct InvalidHubName;

impl HubName {
    /// Checks and lower-cases a name.
    pub fn new(name: &str) -> Result<Self, InvalidHubName> {
        let rest_allowed = |b: &u8| b.is_ascii_alphanumeric() || b"_`,.[]".contains(b);
        match name.as_bytes() {
            [first, rest @ ..]
                if first.is_ascii_alphabetic() && rest.len() <= 127 && rest.iter().all(rest_allowed) =>
            {
                Ok(Self(name.to_ascii_lowercase().into()))
            }
            _ => Err(InvalidHubName),
        }
    }

    /// The name in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HubName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for HubName {
    type Err = InvalidHubName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::new(name)
    }
}

impl AsRef<str> for HubName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Whether `name` can name a group: 1 to [`MAX_GROUP_NAME`] characters, not only white space. Groups are compared
/// with case.
#[must_use]
pub fn is_group_name(name: &str) -> bool {
    // A UTF-16 unit takes at most three bytes, so the first test spares counting what is far too long.
    name.len() <= 3 * MAX_GROUP_NAME
        && name.encode_utf16().count() <= MAX_GROUP_NAME
        && name.chars().any(|c| !c.is_whitespace())
}

/// Whether `name` can name a user event: a letter, then up to 127 letters, digits or characters of `_.-`.
#[must_use]
pub fn is_event_name(name: &str) -> bool {
    let rest_allowed = |b: &u8| b.is_ascii_alphanumeric() || b"_.-".contains(b);
    match name.as_bytes() {
        [first, rest @ ..] => {
            first.is_ascii_alphabetic() && rest.len() <= 127 && rest.iter().all(rest_allowed)
        }
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hub_names() {
        for good in ["a", "Chat", "demo_ai_chat", "a`,.[]9", &"h".repeat(128)] {
            assert_eq!(HubName::new(good).unwrap().as_str(), good.to_ascii_lowercase(), "{good}");
        }
        for bad in ["", "1bad", "_a", "a-b", "a b", "a/b", "ü", "aü", &"h".repeat(129)] {
            assert_eq!(HubName::new(bad), Err(InvalidHubName), "{bad}");
        }
        assert_eq!("PLAIN".parse::<HubName>(), "plain".parse());
    }

    #[test]
    fn group_names() {
        for good in ["g", " g ", "gruppe ü/☕", "\u{1}", &"g".repeat(1024), &"☕".repeat(1024)] {
            assert!(is_group_name(good), "{good}");
        }
        // An emoji outside the basic plane counts as two.
        for bad in ["", "  ", "\u{3000}", &"g".repeat(1025), &"🙂".repeat(513)] {
            assert!(!is_group_name(bad), "{bad}");
        }
        assert!(is_group_name(&"🙂".repeat(512)));
    }

    #[test]
    fn event_names() {
        for good in ["e", "message", "Chat.Send-now_2", &"e".repeat(128)] {
            assert!(is_event_name(good), "{good}");
        }
        for bad in ["", "1", "1 2", "a b", "é", ".a", &"e".repeat(129)] {
            assert!(!is_event_name(bad), "{bad}");
        }
    }
}
