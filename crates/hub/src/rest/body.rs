use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::{BodyExt as _, Limited};
use webpubsub::metadata::Metadata;
use webpubsub::payload::{Payload, PayloadError};

use super::answer::Refusal;
use crate::target::OutMessage;

/// The longest body of a call, in bytes.
const MAX_BODY: usize = 1024 * 1024;

/// How long a body may take to arrive. A caller that stalls must not hold a task for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// The message that a call sends: payload by its content type, metadata from the headers.
pub(super) async fn message(headers: &HeaderMap, body: Body) -> Result<OutMessage, Refusal> {
    let content_type = content_type(headers)?;
    if content_type.is_some_and(|kind| !is_payload_type(kind)) {
        return Err(Refusal::UnsupportedMediaType);
    }
    let metadata =
        Metadata::from_headers(headers).map_err(|invalid| Refusal::bad_request(invalid.to_string()))?;
    let body = read(headers, body).await?;
    let payload = Payload::from_body(content_type, body).map_err(|error| match error {
        PayloadError::UnsupportedType | PayloadError::UnsupportedCharset => Refusal::UnsupportedMediaType,
        PayloadError::InvalidJson | PayloadError::InvalidText => Refusal::bad_request(error.to_string()),
    })?;
    Ok(OutMessage { payload, metadata })
}

/// A body that is JSON by its content type.
pub(super) async fn json(headers: &HeaderMap, body: Body) -> Result<Bytes, Refusal> {
    match content_type(headers)? {
        Some(kind) if essence(kind).eq_ignore_ascii_case("application/json") => read(headers, body).await,
        _ => Err(Refusal::UnsupportedMediaType),
    }
}

/// `None` if there is none or it is blank.
fn content_type(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok(None);
    };
    let value = value.to_str().map_err(|_| Refusal::UnsupportedMediaType)?;
    Ok(Some(value).filter(|value| !value.trim().is_empty()))
}

/// A content type without its parameters.
fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// Narrower than what an event handler may answer with, where any `text/*` is text.
fn is_payload_type(content_type: &str) -> bool {
    ["application/json", "text/plain", "application/octet-stream"]
        .iter()
        .any(|known| essence(content_type).eq_ignore_ascii_case(known))
}

/// Reads a body whose length was announced and is not too large.
async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, Refusal> {
    let announced =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_none_or(|length| length > MAX_BODY) {
        return Err(Refusal::bad_request("Invalid Content-Length header."));
    }
    let collected = tokio::time::timeout(PATIENCE, Limited::new(body, MAX_BODY).collect()).await;
    match collected {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        _ => Err(Refusal::bad_request("The request body did not arrive whole.")),
    }
}
