use axum::body::Body;
use axum::response::Response;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use super::API_VERSIONS;
use crate::Hub;

const SUPPORTED_VERSIONS: HeaderName = HeaderName::from_static("api-supported-versions");
const ERROR_CODE: HeaderName = HeaderName::from_static("x-ms-error-code");

/// Why a call was not carried out.
#[derive(Debug)]
pub(super) enum Refusal {
    Unauthorized,
    UnsupportedMediaType,
    Error { status: StatusCode, code: &'static str, message: String, target: &'static str },
}

impl Refusal {
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::error(StatusCode::BAD_REQUEST, "Error.BadRequest", message, "Request")
    }

    pub(super) fn api_version(message: &str) -> Self {
        Self::error(StatusCode::BAD_REQUEST, "Error.BadRequest", message, "api-version")
    }

    /// 404. The code's first part says how bad it is: `Error`, `Warning` or `Info`.
    pub(super) fn not_existing(code: &'static str, kind: &'static str, id: &str) -> Self {
        Self::error(StatusCode::NOT_FOUND, code, format!("{kind} `{id}` is not found."), kind)
    }

    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::error(StatusCode::CONFLICT, "Error.Connection.Conflict", message, "Connection")
    }

    fn error(
        status: StatusCode,
        code: &'static str,
        message: impl Into<String>,
        target: &'static str,
    ) -> Self {
        Self::Error { status, code, message: message.into(), target }
    }
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    code: &'a str,
    message: &'a str,
    target: &'a str,
}

/// RFC 9457, as ASP.NET writes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Problem<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    trace_id: String,
}

/// An answer without body.
pub(super) fn empty(status: StatusCode) -> Response {
    with(status, Body::empty())
}

/// 200 with a JSON body.
pub(super) fn json(value: &impl Serialize) -> Response {
    typed(StatusCode::OK, "application/json; charset=utf-8", value)
}

/// There is nothing at this path; no version of the API has a say in that.
pub(super) fn not_found() -> Response {
    bare(StatusCode::NOT_FOUND)
}

pub(super) fn method_not_allowed(allow: &'static str) -> Response {
    let mut response = bare(StatusCode::METHOD_NOT_ALLOWED);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

pub(super) fn refused(hub: &Hub, refusal: &Refusal) -> Response {
    match refusal {
        Refusal::Unauthorized => problem(
            hub,
            StatusCode::UNAUTHORIZED,
            "https://tools.ietf.org/html/rfc9110#section-15.5.2",
            "Unauthorized",
        ),
        Refusal::UnsupportedMediaType => problem(
            hub,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "https://tools.ietf.org/html/rfc9110#section-15.5.16",
            "Unsupported Media Type",
        ),
        Refusal::Error { status, code, message, target } => {
            let body = ErrorBody { code, message, target };
            let mut response = typed(*status, "application/json; charset=utf-8", &body);
            response.headers_mut().insert(ERROR_CODE, HeaderValue::from_static(code));
            response
        }
    }
}

fn problem(hub: &Hub, status: StatusCode, kind: &str, title: &str) -> Response {
    let body = Problem { r#type: kind, title, status: status.as_u16(), trace_id: trace_id(hub) };
    typed(status, "application/problem+json; charset=utf-8", &body)
}

/// In the form of W3C Trace Context: `00-<16 bytes>-<8 bytes>-00`.
fn trace_id(hub: &Hub) -> String {
    let mut bytes = [0; 24];
    (hub.options().random)(&mut bytes);
    format!("00-{}-{}-00", hex::encode(&bytes[..16]), hex::encode(&bytes[16..]))
}

fn typed(status: StatusCode, content_type: &'static str, value: &impl Serialize) -> Response {
    // The bodies here are plain structs of strings, which always serialise.
    let body = serde_json::to_vec(value).unwrap_or_default();
    let mut response = with(status, body.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn with(status: StatusCode, body: Body) -> Response {
    let mut response = bare(status);
    *response.body_mut() = body;
    response.headers_mut().insert(SUPPORTED_VERSIONS, HeaderValue::from_static(API_VERSIONS));
    response
}

fn bare(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
