use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value};

/// Tells whether a token is true: signed by whom we trust, for us, and now.
///
/// What the token's user may do is not asked here.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// The claims of a token that its issuer signed, that names us as its audience and is valid at this moment.
    ///
    /// Changes nothing and may be repeated. A token that was refused may be accepted later only for `NotYetValid`,
    /// `KeysUnavailable`, and `Invalid` where its issuer shows the key afterwards.
    async fn verify(&self, token: &str) -> Result<Claims, NotVerified>;
}

/// Why a token does not count. None of them says more than its holder may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotVerified {
    /// No token, a key of nobody we trust, a broken signature, an algorithm that is not let in.
    #[error("the token is not valid")]
    Invalid,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYetValid,
    #[error("the token is of another issuer")]
    WrongIssuer,
    #[error("the token is for somebody else")]
    WrongAudience,
    /// The issuer's keys are not known and cannot be had; nothing is known of the token.
    #[error("the issuer's keys are not to be had")]
    KeysUnavailable { retry_after: Duration },
}

/// What a token says, as its issuer signed it.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims(Map<String, Value>);

impl Claims {
    #[must_use]
    pub const fn new(claims: Map<String, Value>) -> Self {
        Self(claims)
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// A moment, in whole seconds since 1970.
    #[must_use]
    pub fn seconds(&self, name: &str) -> Option<u64> {
        let seconds = self.get(name)?;
        seconds.as_u64().or_else(|| seconds.as_f64().map(|seconds| seconds as u64))
    }

    /// Whether a claim holds the value: in a list, as one of the words of a text (`scp`), or alone.
    #[must_use]
    pub fn holds(&self, name: &str, value: &str) -> bool {
        match self.get(name) {
            Some(Value::Array(items)) => items.iter().any(|item| item.as_str() == Some(value)),
            Some(Value::String(text)) => text == value || text.split(' ').any(|word| word == value),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_moment_is_a_number_of_any_kind() {
        let Value::Object(claims) = json!({ "a": 7, "b": 7.9, "c": -1, "d": "7", "e": null }) else {
            unreachable!()
        };
        let claims = Claims::new(claims);
        let read = ["a", "b", "c", "d", "e", "f"].map(|name| claims.seconds(name));
        assert_eq!(read, [Some(7), Some(7), Some(0), None, None, None]);
    }

    #[test]
    fn a_role_stands_in_a_list_or_among_words() {
        let Value::Object(claims) = json!({
            "roles": ["chat.admin", 7], "scp": "read chat.admin", "role": "chat admin", "n": 1
        }) else {
            unreachable!()
        };
        let claims = Claims::new(claims);
        assert!(claims.holds("roles", "chat.admin") && claims.holds("scp", "chat.admin"));
        assert!(claims.holds("role", "chat admin") && claims.holds("role", "admin"));
        for (name, value) in [("roles", "chat"), ("scp", "chat"), ("n", "1"), ("none", ""), ("roles", "")] {
            assert!(!claims.holds(name, value), "{name} {value}");
        }
    }
}
