//! What callers of the HTTP API are told when a call fails: `{"code","message","field"?}` with a status.

use std::borrow::Cow;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde::Serialize;

use crate::chat::{self, Refused};
use crate::ports::{StoreError, TransportError};

/// The failures of HTTP itself; what the use cases refuse is a [`Refused`]. One table says the status and the stable
/// `code` of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    InvalidJson,
    InvalidUtf8,
    InvalidBody,
    NotAnObject,
    WrongType,
    InvalidId,
    InvalidField,
    TwoCursors,
    MissingField,
    MissingUser,
    BadSignature,
    OriginRefused,
    /// A page of another site asks, in the name of whoever visits it.
    ForeignOrigin,
    WrongUser,
    /// Nobody has signed in.
    TokenMissing,
    TokenInvalid,
    TokenExpired,
    TokenNotYetValid,
    WrongIssuer,
    WrongAudience,
    /// Who signed in cannot be a user here.
    UnusableUser,
    /// The request names another user than the one who signed in.
    NotYou,
    AdminsOnly,
    LinkRefused,
    FileExists,
    NoRoute,
    MethodNotAllowed,
    RequestTimeout,
    BodyTooLarge,
    UnsupportedMediaType,
    Internal,
    Unavailable,
    /// The keys that verify tokens are not known.
    KeysUnavailable,
}

impl Kind {
    #[must_use]
    pub const fn row(self) -> (StatusCode, &'static str) {
        match self {
            Self::InvalidJson => (StatusCode::BAD_REQUEST, "invalid_json"),
            Self::InvalidUtf8 => (StatusCode::BAD_REQUEST, "invalid_utf8"),
            Self::InvalidBody => (StatusCode::BAD_REQUEST, "invalid_body"),
            Self::NotAnObject => (StatusCode::BAD_REQUEST, "not_an_object"),
            Self::WrongType => (StatusCode::BAD_REQUEST, "wrong_type"),
            Self::InvalidId => (StatusCode::BAD_REQUEST, "invalid_id"),
            Self::TwoCursors => (StatusCode::BAD_REQUEST, "two_cursors"),
            Self::InvalidField => (StatusCode::BAD_REQUEST, "invalid_field"),
            Self::MissingField => (StatusCode::BAD_REQUEST, "missing_field"),
            Self::MissingUser => (StatusCode::BAD_REQUEST, "missing_user"),
            Self::BadSignature => (StatusCode::UNAUTHORIZED, "bad_signature"),
            Self::OriginRefused => (StatusCode::FORBIDDEN, "origin_refused"),
            Self::ForeignOrigin => (StatusCode::FORBIDDEN, "foreign_origin"),
            Self::WrongUser => (StatusCode::FORBIDDEN, "wrong_user"),
            Self::TokenMissing => (StatusCode::UNAUTHORIZED, "token_missing"),
            Self::TokenInvalid => (StatusCode::UNAUTHORIZED, "token_invalid"),
            Self::TokenExpired => (StatusCode::UNAUTHORIZED, "token_expired"),
            Self::TokenNotYetValid => (StatusCode::UNAUTHORIZED, "token_not_yet_valid"),
            Self::WrongIssuer => (StatusCode::UNAUTHORIZED, "wrong_issuer"),
            Self::WrongAudience => (StatusCode::UNAUTHORIZED, "wrong_audience"),
            Self::UnusableUser => (StatusCode::FORBIDDEN, "unusable_user"),
            Self::NotYou => (StatusCode::FORBIDDEN, "not_you"),
            Self::AdminsOnly => (StatusCode::FORBIDDEN, "admins_only"),
            Self::LinkRefused => (StatusCode::FORBIDDEN, "link_refused"),
            Self::FileExists => (StatusCode::CONFLICT, "file_exists"),
            Self::NoRoute => (StatusCode::NOT_FOUND, "not_found"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, "request_timeout"),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::UnsupportedMediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Self::KeysUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "keys_unavailable"),
        }
    }

    /// What `WWW-Authenticate` says (RFC 6750): why a token was not enough, or that one is asked for.
    const fn challenge(self) -> Option<&'static str> {
        match self {
            Self::TokenMissing => Some("Bearer"),
            Self::TokenInvalid | Self::WrongIssuer | Self::WrongAudience | Self::TokenNotYetValid => {
                Some("Bearer error=\"invalid_token\"")
            }
            Self::TokenExpired => {
                Some("Bearer error=\"invalid_token\", error_description=\"The token has expired\"")
            }
            _ => None,
        }
    }
}

/// A failed call, as its caller sees it. The cause of a failure of ours is logged where it is handled and is not in here.
#[derive(Clone, Debug)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
    field: Option<&'static str>,
    retry_after: Option<Duration>,
    challenge: Option<&'static str>,
}

impl ApiError {
    pub fn new(kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        let (status, code) = kind.row();
        let (message, challenge) = (message.into(), kind.challenge());
        Self { status, code, message, field: None, retry_after: None, challenge }
    }

    /// A mistake in one named field.
    pub fn field(kind: Kind, field: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { field: Some(field), ..Self::new(kind, message) }
    }

    /// Something we depend on is away; the caller may come again in `retry_after`.
    pub fn unavailable(message: impl Into<Cow<'static, str>>, retry_after: Duration) -> Self {
        Self::unavailable_as(Kind::Unavailable, message, retry_after)
    }

    pub fn unavailable_as(kind: Kind, message: impl Into<Cow<'static, str>>, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(kind, message) }
    }

    #[must_use]
    pub fn internal() -> Self {
        Self::new(Kind::Internal, "Something failed in here; it has been logged.")
    }

    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// In how many whole seconds the caller may come again; never 0, which would mean "at once".
    #[must_use]
    pub fn retry_after_secs(&self) -> Option<u64> {
        self.retry_after.map(whole_secs)
    }

    /// The body of the answer.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.body()).unwrap_or_default()
    }

    fn body(&self) -> Body<'_> {
        Body { code: self.code, message: &self.message, field: self.field }
    }
}

/// What the use cases refuse keeps its code; its kind decides the status.
impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        let status = match refused.kind {
            chat::Kind::Invalid => StatusCode::BAD_REQUEST,
            chat::Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            chat::Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
            chat::Kind::Forbidden => StatusCode::FORBIDDEN,
            chat::Kind::NotFound => StatusCode::NOT_FOUND,
            chat::Kind::Conflict => StatusCode::CONFLICT,
            chat::Kind::Limited { .. } => StatusCode::TOO_MANY_REQUESTS,
            chat::Kind::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        };
        let retry_after = match refused.kind {
            chat::Kind::Unavailable { retry_after } | chat::Kind::Limited { retry_after } => {
                Some(retry_after)
            }
            _ => None,
        };
        let Refused { code, message, field, .. } = refused;
        Self { status, code, message, field, retry_after, challenge: None }
    }
}

/// The store's own error is logged by the conversion it goes through.
impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Refused::from(error).into()
    }
}

impl From<TransportError> for ApiError {
    fn from(error: TransportError) -> Self {
        Refused::from(error).into()
    }
}

fn whole_secs(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX).max(1)
}

#[derive(Serialize)]
struct Body<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, axum::Json(self.body())).into_response();
        if let Some(seconds) = self.retry_after_secs() {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(challenge) = self.challenge {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}
