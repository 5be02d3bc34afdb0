use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use http_body_util::{BodyExt, Limited};
use serde_json::{Map, Value};

use crate::error::{ApiError, Kind};
use crate::model::bounds;

/// What of an oversized body is read and thrown away, so that its sender gets to see the answer.
const DRAINED_BYTES: usize = 8 * 1024 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(5);
/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(60);

/// A JSON object as a request's body, and its fields by name. Unknown fields are ignored; `null` is absence.
#[derive(Debug, Default)]
pub(crate) struct Fields(Map<String, Value>);

/// A body that may be JSON: not too long, UTF-8, and not said to be something else. Empty where there is none.
pub(crate) struct JsonBytes(pub(crate) Bytes);

impl<S: Sync> FromRequest<S> for JsonBytes {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        Self::read(&parts.headers, body).await
    }
}

impl JsonBytes {
    async fn read(headers: &HeaderMap, body: Body) -> Result<Self, ApiError> {
        let bytes = read(body, headers, bounds::REQUEST_BODY_BYTES).await?;
        if !bytes.is_empty() {
            must_be_json(headers)?;
        }
        match std::str::from_utf8(&bytes) {
            Ok(_) => Ok(Self(bytes)),
            Err(_) => Err(ApiError::new(Kind::InvalidUtf8, "The body is not UTF-8.")),
        }
    }
}

impl<S: Sync> FromRequest<S> for Fields {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let JsonBytes(bytes) = JsonBytes::read(&parts.headers, body).await?;
        Self::parse(&bytes)
    }
}

impl Fields {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(_) => Err(ApiError::new(Kind::NotAnObject, "The body must be a JSON object.")),
            Err(error) => Err(ApiError::new(Kind::InvalidJson, format!("The body is not JSON: {error}."))),
        }
    }

    /// A body that may be left out.
    pub(crate) fn optional(bytes: &[u8]) -> Result<Self, ApiError> {
        if bytes.is_empty() { Ok(Self::default()) } else { Self::parse(bytes) }
    }

    /// A text under the first of the names that is there; the first name is the documented one.
    pub(crate) fn text(&self, names: &[&'static str]) -> Result<Option<&str>, ApiError> {
        match self.value(names) {
            None => Ok(None),
            Some((_, Value::String(text))) => Ok(Some(text)),
            Some((name, _)) => Err(wrong_type(name, "a string")),
        }
    }

    /// Every text under the names that is there, with its name.
    pub(crate) fn named(&self, names: &[&'static str]) -> Result<Vec<(&'static str, &str)>, ApiError> {
        let each = names.iter().map(|name| Ok(self.text(&[name])?.map(|text| (*name, text))));
        each.filter_map(Result::transpose).collect()
    }

    pub(crate) fn required_text(&self, names: &[&'static str]) -> Result<&str, ApiError> {
        self.text(names)?.ok_or_else(|| missing(names.first().copied().unwrap_or_default()))
    }

    pub(crate) fn flag(&self, names: &[&'static str]) -> Result<Option<bool>, ApiError> {
        match self.value(names) {
            None => Ok(None),
            Some((_, Value::Bool(flag))) => Ok(Some(*flag)),
            Some((name, _)) => Err(wrong_type(name, "true or false")),
        }
    }

    pub(crate) fn number(&self, names: &[&'static str]) -> Result<Option<u64>, ApiError> {
        let Some((name, value)) = self.value(names) else { return Ok(None) };
        value.as_u64().map(Some).ok_or_else(|| wrong_type(name, "a whole number from 0"))
    }

    pub(crate) fn texts(&self, names: &[&'static str]) -> Result<Option<Vec<&str>>, ApiError> {
        let Some((name, value)) = self.value(names) else { return Ok(None) };
        let texts = value.as_array().and_then(|items| items.iter().map(Value::as_str).collect());
        texts.map(Some).ok_or_else(|| wrong_type(name, "a list of strings"))
    }

    fn value(&self, names: &[&'static str]) -> Option<(&'static str, &Value)> {
        let present =
            |name: &&'static str| self.0.get(*name).filter(|value| !value.is_null()).map(|v| (*name, v));
        names.iter().find_map(present)
    }
}

pub(crate) fn missing(field: &'static str) -> ApiError {
    ApiError::field(Kind::MissingField, field, format!("{field} is missing."))
}

fn wrong_type(field: &'static str, expected: &str) -> ApiError {
    ApiError::field(Kind::WrongType, field, format!("{field} must be {expected}."))
}

/// A body without a type is taken for JSON; one that says it is something else is not.
fn must_be_json(headers: &HeaderMap) -> Result<(), ApiError> {
    if headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        let sentence = "Send the body without a Content-Encoding.";
        return Err(ApiError::new(Kind::UnsupportedMediaType, sentence));
    }
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let subtype =
        essence.split_once('/').map(|(_, subtype)| subtype.to_ascii_lowercase()).unwrap_or_default();
    if subtype == "json" || subtype.ends_with("+json") {
        Ok(())
    } else {
        Err(ApiError::new(Kind::UnsupportedMediaType, "Send the body as application/json."))
    }
}

/// The whole body, if it has at most `limit` bytes.
pub(crate) async fn read(mut body: Body, headers: &HeaderMap, limit: usize) -> Result<Bytes, ApiError> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let fits = announced.is_none_or(|length| length <= limit);
    let outcome = if fits {
        tokio::time::timeout(BODY_TIME, collect(&mut body, announced.unwrap_or_default(), limit)).await
    } else {
        Ok(Err(Failed::TooLarge))
    };
    match outcome {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(Failed::TooLarge)) => {
            discard(headers, body).await;
            Err(ApiError::new(Kind::BodyTooLarge, format!("The body has more than {limit} bytes.")))
        }
        Ok(Err(Failed::Broken)) => Err(ApiError::new(Kind::InvalidBody, "The body ended early.")),
        Err(_) => Err(ApiError::new(Kind::RequestTimeout, "The body took too long.")),
    }
}

enum Failed {
    TooLarge,
    Broken,
}

async fn collect(body: &mut Body, expected: usize, limit: usize) -> Result<Bytes, Failed> {
    let mut collected = Vec::with_capacity(expected);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Failed::Broken)?.into_data() else { continue };
        if collected.len() + data.len() > limit {
            return Err(Failed::TooLarge);
        }
        collected.extend_from_slice(&data);
    }
    Ok(collected.into())
}

/// Reads what a refused caller is still sending, as far as that is bearable.
pub(crate) async fn discard(headers: &HeaderMap, body: Body) {
    // Who asks before sending is not told to send.
    if !headers.contains_key(EXPECT) {
        drain(body).await;
    }
}

async fn drain(body: Body) {
    let mut rest = Limited::new(body, DRAINED_BYTES);
    let reading = async { while rest.frame().await.is_some_and(|frame| frame.is_ok()) {} };
    let _ = tokio::time::timeout(DRAIN_TIME, reading).await;
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http::StatusCode;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_given_up() {
        let started = tokio::time::Instant::now();
        let trickle = stream::unfold((), async |()| {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b" ")), ()))
        });
        for body in
            [Body::from_stream(trickle), Body::from_stream(stream::pending::<std::io::Result<Bytes>>())]
        {
            let refused = read(body, &HeaderMap::new(), bounds::REQUEST_BODY_BYTES).await.unwrap_err();
            assert_eq!(refused.status(), StatusCode::REQUEST_TIMEOUT);
        }
        assert_eq!(started.elapsed(), BODY_TIME * 2);
    }
}
