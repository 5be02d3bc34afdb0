//! Tokens: what clients show at `/client/hubs/{hub}`, what application servers show to the REST API, and what a
//! reliable client shows to recover its connection.
//!
//! Client and REST tokens are JWTs signed with HS256 over an access key's UTF-8 bytes; no other algorithm is accepted.
//! A hub may have several keys, each of which is good. There is no allowance for clock skew: the emulator gives none.

mod claims;
mod client;
mod reconnect;
mod rest;

pub use client::{ClientClaims, ClientToken, client_audience, client_url, verify_client_token};
pub use reconnect::{reconnection_token, verify_reconnection_token};
pub use rest::{mint_rest_token, verify_rest_token};

/// Why a token is not accepted, or could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a JWT of ours: its form, its algorithm or its signature.
    #[error("The token is malformed or its signature is wrong.")]
    Invalid,
    #[error("The token has no expiry time.")]
    NoExpiry,
    #[error("The token has expired.")]
    Expired,
    #[error("The token is not valid yet.")]
    NotYetValid,
    #[error("The token is meant for another audience.")]
    WrongAudience,
    /// The one fault of a client token that is answered 400 instead of 401.
    #[error("The token contains an invalid group name.")]
    InvalidGroup,
    #[error("The token could not be signed.")]
    Unsignable,
}
