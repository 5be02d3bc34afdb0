//! Access keys: the secret shared by a hub, the application servers and the event handlers.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// An access key. The text's UTF-8 bytes are the HMAC key; it is not decoded as base64. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey(Box<str>);

/// An access key is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The access key is empty.")]
pub struct EmptyAccessKey;

impl AccessKey {
    /// Takes a key as it stands in a connection string.
    pub fn new(key: impl Into<Box<str>>) -> Result<Self, EmptyAccessKey> {
        let key = key.into();
        if key.is_empty() { Err(EmptyAccessKey) } else { Ok(Self(key)) }
    }

    /// The secret itself, for a connection string.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// An HMAC-SHA256 over `message` with this key, to be finished or verified (in constant time).
    pub(crate) fn hmac(&self, message: &[u8]) -> Hmac<Sha256> {
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(self.as_bytes()).expect("any key length");
        mac.update(message);
        mac
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_not_shown_and_not_empty() {
        assert_eq!(format!("{:?}", AccessKey::new("secret").unwrap()), "AccessKey(…)");
        assert_eq!(AccessKey::new(""), Err(EmptyAccessKey));
    }
}
