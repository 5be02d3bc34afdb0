//! Whom a proof names that was refused. Nothing of it is true for that; it is for the record, and for nothing else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::model::UserId;

/// The user in a token's claim, whoever signed it.
pub(super) fn by_token(token: &str, claim: &str) -> Option<UserId> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Map<String, Value> = serde_json::from_slice(&payload).ok()?;
    UserId::given(claims.get(claim)?.as_str()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_read_if_it_can_be_one() {
        let token = |claims: &str| format!("x.{}.y", URL_SAFE_NO_PAD.encode(claims));
        let named = |token: &str| by_token(token, "sub").map(|user| user.to_string());
        assert_eq!(named(&token(r#"{"sub":"ann","oid":"bob"}"#)).as_deref(), Some("ann"));
        for odd in [r#"{"sub":7}"#, r#"{"sub":""}"#, "{}", "[]", "no json", "{\"sub\":\"a\\u0000b\"}"] {
            assert_eq!(named(&token(odd)), None, "{odd}");
        }
        for odd in ["", "x", "x.%.y", "..", &token(&format!(r#"{{"sub":"{}"}}"#, "x".repeat(9_000)))] {
            assert_eq!(named(odd), None, "{odd}");
        }
    }
}
