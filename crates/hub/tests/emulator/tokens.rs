//! Tokens as an application server makes them, and as one should not.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

pub(crate) const ACCESS_KEY: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH";

/// Seconds since 1970. The hub under test uses the system's clock.
#[expect(clippy::disallowed_methods, reason = "the tokens are checked against the system's clock")]
pub(crate) fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs()
        .try_into()
        .expect("before the end")
}

/// The audience that the recorded clients named; the host does not count.
pub(crate) fn client_audience(hub: &str) -> String {
    format!("http://127.0.0.1/client/hubs/{hub}")
}

/// Claims that are good for a client of the hub.
pub(crate) fn client_claims(hub: &str) -> Value {
    json!({"nbf": now() - 10, "iat": now(), "exp": now() + 3600, "aud": client_audience(hub)})
}

pub(crate) fn sign(claims: &Value) -> String {
    sign_with(claims, Algorithm::HS256, ACCESS_KEY)
}

pub(crate) fn sign_with(claims: &Value, algorithm: Algorithm, key: &str) -> String {
    let key = EncodingKey::from_secret(key.as_bytes());
    jsonwebtoken::encode(&Header::new(algorithm), claims, &key).expect("claims can be signed")
}

/// A token that claims to need no signature.
pub(crate) fn unsigned(claims: &Value) -> String {
    let part = |value: &Value| base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(&json!({"alg": "none", "typ": "JWT"})), part(claims))
}
