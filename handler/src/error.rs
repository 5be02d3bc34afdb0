//! What callers of the HTTP API are told when a call fails: `{"code","message","field"?}` with a status.

use std::borrow::Cow;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header::{HeaderValue, RETRY_AFTER};
use http::StatusCode;
use serde::Serialize;

/// The kinds of failure. One table says the status and the stable `code` of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    InvalidJson,
    InvalidUtf8,
    InvalidBody,
    MissingField,
    InvalidField,
    MissingUser,
    BadSignature,
    Forbidden,
    NoRoute,
    RoomNotFound,
    MethodNotAllowed,
    RoomExists,
    BodyTooLarge,
    ContentTooLong,
    MessageTooLarge,
    UnsupportedMediaType,
    Internal,
    Unavailable,
}

impl Kind {
    #[must_use]
    pub const fn row(self) -> (StatusCode, &'static str) {
        match self {
            Self::InvalidJson => (StatusCode::BAD_REQUEST, "invalid_json"),
            Self::InvalidUtf8 => (StatusCode::BAD_REQUEST, "invalid_utf8"),
            Self::InvalidBody => (StatusCode::BAD_REQUEST, "invalid_body"),
            Self::MissingField => (StatusCode::BAD_REQUEST, "missing_field"),
            Self::InvalidField => (StatusCode::BAD_REQUEST, "invalid_field"),
            Self::MissingUser => (StatusCode::BAD_REQUEST, "missing_user"),
            Self::BadSignature => (StatusCode::UNAUTHORIZED, "bad_signature"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden"),
            Self::NoRoute => (StatusCode::NOT_FOUND, "not_found"),
            Self::RoomNotFound => (StatusCode::NOT_FOUND, "room_not_found"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::RoomExists => (StatusCode::CONFLICT, "room_exists"),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::ContentTooLong => (StatusCode::PAYLOAD_TOO_LARGE, "content_too_long"),
            Self::MessageTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "message_too_large"),
            Self::UnsupportedMediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        }
    }
}

/// A failed call, as its caller sees it. The cause of an internal failure is logged where it is handled and is not
/// in here.
#[derive(Clone, Debug)]
pub struct ApiError {
    kind: Kind,
    message: Cow<'static, str>,
    field: Option<Cow<'static, str>>,
    retry_after: Option<Duration>,
}

impl ApiError {
    pub fn new(kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), field: None, retry_after: None }
    }

    /// A mistake in one named field.
    pub fn field(
        kind: Kind,
        field: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { field: Some(field.into()), ..Self::new(kind, message) }
    }

    /// Something we depend on is away; the caller may come again in `retry_after`.
    pub fn unavailable(message: impl Into<Cow<'static, str>>, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(Kind::Unavailable, message) }
    }

    #[must_use]
    pub fn internal() -> Self {
        Self::new(Kind::Internal, "something failed in here; it has been logged")
    }

    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }
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
        let (status, code) = self.kind.row();
        let body = Body { code, message: &self.message, field: self.field.as_deref() };
        let mut response = (status, axum::Json(body)).into_response();
        if let Some(wait) = self.retry_after {
            // Whole seconds, and never 0, which would mean "at once".
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        response
    }
}
