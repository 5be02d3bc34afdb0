//! Tokens, as an issuer would sign them.

use std::time::UNIX_EPOCH;

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::product::{Answer, Product, call};

pub const ISSUER: &str = "https://issuer.example";
pub const SECRET: &str = "a secret of more than 32 bytes, surely";
/// An admin by name.
pub const ROOT: &str = "root";

/// Here many ask much at once.
pub const UNLIMITED: [(&str, &str); 3] =
    [("RATE_LIMIT_USER", "off"), ("RATE_LIMIT_ROOM", "off"), ("RATE_LIMIT_IP", "off")];

/// The binary with tokens signed by [`SECRET`].
pub fn product(more: &[(&str, &str)]) -> Product {
    let mut settings = vec![
        ("AUTH_MODE", "jwt"),
        ("JWT_ISSUER", ISSUER),
        ("JWT_AUDIENCE", "chat"),
        ("JWT_SECRET", SECRET),
        ("ADMIN_USERS", ROOT),
        ("AUTH_ADMIN_ROLE", "chat.admin"),
    ];
    settings.extend(UNLIMITED);
    settings.extend_from_slice(more);
    Product::alone(&settings)
}

pub fn now() -> u64 {
    UNIX_EPOCH.elapsed().unwrap().as_secs()
}

pub fn claims(user: &str) -> Value {
    json!({ "iss": ISSUER, "aud": "chat", "sub": user, "exp": now() + 600 })
}

pub fn signed(claims: &Value) -> String {
    encode(&Header::default(), claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

/// A user's good token.
pub fn token(user: &str) -> String {
    signed(&claims(user))
}

/// The claims of a user with one of them changed.
pub fn token_but(user: &str, name: &str, value: Value) -> String {
    let mut claims = claims(user);
    claims[name] = value;
    signed(&claims)
}

/// A request with what its caller shows, and a body unless it is empty.
pub fn ask(product: &Product, shown: &[(&str, &str)], method: &str, path: &str, body: &str) -> Answer {
    let mut headers = shown.to_vec();
    if !body.is_empty() {
        headers.push(("content-type", "application/json"));
    }
    call(product.http, method, path, &headers, body.as_bytes())
}

/// The same with a user's good token.
pub fn ask_as(product: &Product, user: &str, method: &str, path: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {}", token(user));
    ask(product, &[("authorization", &bearer)], method, path, body)
}
