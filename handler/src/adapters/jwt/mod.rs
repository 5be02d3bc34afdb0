//! Signed tokens (JWT) of an OpenID Connect issuer, or of whoever shares a secret with us.

mod claims;
mod fetch;
mod key_set;
mod keys;
mod verifier;

pub use claims::TokenRules;
pub use keys::KeySource;
pub use verifier::JwtVerifier;

#[cfg(test)]
mod tests;
