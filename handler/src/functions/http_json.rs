//! HTTP functions in the JSON envelope, for a host that neither proxies nor forwards: the request is unwrapped,
//! answered by the same routes, and the answer wrapped.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::json;

use super::envelope::Invocation;
use super::invocations::Ended;
use super::{fields, trigger};
use crate::error::{ApiError, Kind};
use crate::model::bounds;

/// The envelope holds body, headers and claims, some of them twice.
const ENVELOPE_BYTES: usize = 16 * bounds::REQUEST_BODY_BYTES;

/// The request as the host describes it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Described {
    url: String,
    method: String,
    #[serde(default)]
    headers: BTreeMap<String, Vec<String>>,
    body: Option<String>,
}

impl Described {
    /// The host writes bodies of these two types as base64, all others as text.
    fn bytes(&self) -> Vec<u8> {
        let types = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let content_type = types.and_then(|(_, values)| values.first()).map(|t| t.to_ascii_lowercase());
        let binary = content_type
            .is_some_and(|t| t.starts_with("application/octet-stream") || t.starts_with("multipart/"));
        let body = self.body.as_deref().unwrap_or_default();
        let decoded = binary.then(|| STANDARD.decode(body).ok()).flatten();
        decoded.unwrap_or_else(|| body.as_bytes().to_vec())
    }
}

pub(super) async fn run(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let unwrapped = match fields::read(body, &parts.headers, ENVELOPE_BYTES).await {
        Ok(bytes) => unwrap(&bytes),
        Err(error) => Err(error),
    };
    let response = match unwrapped {
        Ok(mut request) => {
            *request.extensions_mut() = parts.extensions;
            next.run(request).await
        }
        Err(error) => error.into_response(),
    };
    wrap(response).await
}

fn unwrap(bytes: &[u8]) -> Result<Request, ApiError> {
    let invalid = |_| ApiError::new(Kind::InvalidBody, "The host's envelope cannot be read.");
    let mut invocation = Invocation::parse(bytes)
        .map_err(|_| ApiError::new(Kind::InvalidBody, "The host's envelope is no JSON."))?;
    let described = invocation.data.remove("req").unwrap_or_default();
    let described: Described = serde_json::from_value(described).map_err(invalid)?;
    let described_uri: Uri =
        described.url.parse().map_err(|_| ApiError::new(Kind::InvalidBody, "The URL cannot be read."))?;
    let mut request = Request::new(Body::from(described.bytes()));
    *request.method_mut() = Method::from_bytes(described.method.as_bytes())
        .map_err(|_| ApiError::new(Kind::InvalidBody, "The method cannot be read."))?;
    if let Some(path) = described_uri.path_and_query() {
        *request.uri_mut() = Uri::from(path.clone());
    }
    let headers = request.headers_mut();
    copy(described.headers, headers);
    if let Some(host) = described_uri.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok()) {
        headers.entry(HOST).or_insert(host);
    }
    Ok(request)
}

/// All but what belongs to the connection or describes the body as it was on the wire.
fn copy(described: BTreeMap<String, Vec<String>>, headers: &mut HeaderMap) {
    let dropped = [CONNECTION, UPGRADE, TRANSFER_ENCODING, CONTENT_LENGTH, CONTENT_ENCODING];
    for (name, values) in described {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { continue };
        if dropped.contains(&name) {
            continue;
        }
        for value in values.iter().filter_map(|value| HeaderValue::from_bytes(value.as_bytes()).ok()) {
            headers.append(name.clone(), value);
        }
    }
}

async fn wrap(response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let headers: BTreeMap<&str, &str> = parts
        .headers
        .iter()
        .filter(|(name, _)| **name != CONTENT_LENGTH && **name != TRANSFER_ENCODING)
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect();
    let mut told = parts.extensions.clone();
    told.insert(Ended(parts.status.as_u16().to_string()));
    let res = json!({ "statusCode": parts.status.as_u16(), "headers": headers, "body": body_text(&bytes) });
    let mut answer = trigger::answer(&json!({ "res": res }), &[]);
    *answer.extensions_mut() = told;
    answer
}

/// The host decodes text that is valid base64, and anything else goes through as text. So what would be mistaken,
/// and what is no text, goes as base64.
fn body_text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if STANDARD.decode(text.split_whitespace().collect::<String>()).is_err() => text.to_owned(),
        _ => STANDARD.encode(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_looks_like_base64_survives_the_host() {
        assert_eq!(body_text(b"{\"ok\":true}"), "{\"ok\":true}");
        assert_eq!(body_text(b"test"), "dGVzdA==");
        assert_eq!(body_text(b"te st"), "dGUgc3Q=");
        assert_eq!(body_text(b""), "");
        assert_eq!(body_text(&[0xff]), "/w==");
    }
}
