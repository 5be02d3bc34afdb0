//! What a message carries: JSON, text or bytes; and how it travels as an HTTP body.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

use crate::json;

/// Standard base64 with padding. Stray bits in the last character are ignored, as the service's decoder does.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical)
        .with_decode_allow_trailing_bits(true),
);

/// The data of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// One JSON value, byte for byte as it was given.
    Json(JsonText),
    Text(String),
    Binary(Bytes),
}

/// The text of exactly one JSON value, nested at most 64 deep, without white space around it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JsonText(Box<str>);

/// A body cannot be taken as a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Neither JSON, nor text, nor bytes (HTTP 415).
    #[error("The content type is not supported.")]
    UnsupportedType,
    /// Text in an encoding that is not known here (HTTP 415).
    #[error("The charset is not supported.")]
    UnsupportedCharset,
    #[error("The request body is not a valid JSON.")]
    InvalidJson,
    /// The bytes are not text in the encoding that the content type names.
    #[error("The request body is not text in its charset.")]
    InvalidText,
}

impl JsonText {
    /// Takes the one JSON value in `text`; white space around it is dropped.
    pub fn new(text: &str) -> Result<Self, PayloadError> {
        json::single_value(text).map(|value| Self(value.into())).ok_or(PayloadError::InvalidJson)
    }

    /// Writes a value as JSON.
    pub fn of(value: &impl serde::Serialize) -> Result<Self, PayloadError> {
        let text = serde_json::to_string(value).map_err(|_| PayloadError::InvalidJson)?;
        if json::too_deep(&text) { Err(PayloadError::InvalidJson) } else { Ok(Self(text.into())) }
    }

    /// For text that a JSON parser has passed already.
    pub(crate) fn parsed(text: &str) -> Self {
        Self(text.into())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JsonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Payload {
    /// Takes the body of an HTTP message by its content type: `application/json`, `text/*` (UTF-8, ASCII or Latin-1),
    /// `application/octet-stream` or none.
    pub fn from_body(content_type: Option<&str>, body: Bytes) -> Result<Self, PayloadError> {
        let Some(content_type) = content_type.map(str::trim).filter(|value| !value.is_empty()) else {
            return Ok(Self::Binary(body));
        };
        let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
        let kind = kind.trim().to_ascii_lowercase();
        match kind.as_str() {
            "application/octet-stream" => Ok(Self::Binary(body)),
            "application/json" => {
                let text = std::str::from_utf8(&body).map_err(|_| PayloadError::InvalidJson)?;
                JsonText::new(text).map(Self::Json)
            }
            text if text.starts_with("text/") => decode_text(charset(parameters), &body).map(Self::Text),
            _ => Err(PayloadError::UnsupportedType),
        }
    }

    /// The content type under which [`Payload::as_bytes`] travels over HTTP.
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        match self {
            Self::Json(_) => "application/json",
            Self::Text(_) => "text/plain; charset=utf-8",
            Self::Binary(_) => "application/octet-stream",
        }
    }

    /// The `dataType` of frames.
    #[must_use]
    pub fn data_type(&self) -> &'static str {
        match self {
            Self::Json(_) => "json",
            Self::Text(_) => "text",
            Self::Binary(_) => "binary",
        }
    }

    /// The HTTP body: the JSON text, the text in UTF-8, or the bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Json(json) => json.as_str().as_bytes(),
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// What a simple client gets in a text frame; `None` for bytes, which it gets in a binary frame.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Json(json) => Some(json.as_str()),
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// The HTTP body, without copying.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Json(json) => Bytes::from(json.0.into_boxed_bytes()),
            Self::Text(text) => Bytes::from(text),
            Self::Binary(bytes) => bytes,
        }
    }

    /// Appends the `data` of a frame.
    pub(crate) fn push_json(&self, out: &mut String) {
        match self {
            Self::Json(json) => out.push_str(json.as_str()),
            Self::Text(text) => json::push_string(out, text),
            Self::Binary(bytes) => {
                out.push('"');
                BASE64.encode_string(bytes, out);
                out.push('"');
            }
        }
    }
}

/// Bytes from the base64 of a frame's `data`.
pub(crate) fn decode_base64(text: &str) -> Option<Bytes> {
    BASE64.decode(text).ok().map(Bytes::from)
}

/// The value of the `charset` parameter, without quotes.
fn charset(parameters: &str) -> Option<&str> {
    parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    })
}

fn decode_text(charset: Option<&str>, body: &Bytes) -> Result<String, PayloadError> {
    let is = |names: &[&str]| names.iter().any(|name| charset.is_some_and(|c| c.eq_ignore_ascii_case(name)));
    if charset.is_none() || is(&["utf-8", "utf8"]) {
        return String::from_utf8(body.to_vec()).map_err(|_| PayloadError::InvalidText);
    }
    if is(&["us-ascii", "ascii"]) {
        let ascii = body.is_ascii().then(|| body.iter().copied().map(char::from).collect());
        return ascii.ok_or(PayloadError::InvalidText);
    }
    if is(&["iso-8859-1", "latin1"]) {
        return Ok(body.iter().copied().map(char::from).collect());
    }
    Err(PayloadError::UnsupportedCharset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn take(content_type: &str, body: &'static [u8]) -> Result<Payload, PayloadError> {
        Payload::from_body(Some(content_type), Bytes::from_static(body))
    }

    fn json(text: &str) -> Payload {
        Payload::Json(JsonText::new(text).unwrap())
    }

    #[test]
    fn content_types() {
        assert_eq!(take("application/json", b" {\"a\": 1} "), Ok(json("{\"a\": 1}")));
        assert_eq!(take("Application/JSON; charset=utf-8", b"null"), Ok(json("null")));
        assert_eq!(take("text/plain", "é".as_bytes()), Ok(Payload::Text("é".into())));
        assert_eq!(take("text/html; CHARSET=\"UTF-8\"", b"<p>"), Ok(Payload::Text("<p>".into())));
        assert_eq!(take("text/plain; charset=iso-8859-1", b"\xe9"), Ok(Payload::Text("é".into())));
        assert_eq!(take("text/plain", b""), Ok(Payload::Text(String::new())));
        let bytes = Payload::Binary(Bytes::from_static(b"\x01\xff"));
        assert_eq!(take("application/octet-stream", b"\x01\xff"), Ok(bytes.clone()));
        assert_eq!(Payload::from_body(None, Bytes::from_static(b"\x01\xff")), Ok(bytes));
    }

    #[test]
    fn refused_bodies() {
        for bad in ["application/xml", "application/x-protobuf", "image/png", "text", "json"] {
            assert_eq!(take(bad, b"x"), Err(PayloadError::UnsupportedType), "{bad}");
        }
        assert_eq!(take("text/plain; charset=koi8-r", b"x"), Err(PayloadError::UnsupportedCharset));
        assert_eq!(take("text/plain", b"\xff"), Err(PayloadError::InvalidText));
        assert_eq!(take("text/plain; charset=us-ascii", b"\xe9"), Err(PayloadError::InvalidText));
        for bad in [&b""[..], b"{bad", b"\xff", b"1 2", b"\xef\xbb\xbf1"] {
            assert_eq!(take("application/json", bad), Err(PayloadError::InvalidJson));
        }
    }

    #[test]
    fn base64_of_frames() {
        assert_eq!(decode_base64("AQID").as_deref(), Some(&[1, 2, 3][..]));
        assert_eq!(decode_base64("").as_deref(), Some(&[][..]));
        for bad in ["%%%", "AQI", "AQ I=", "A_-D"] {
            assert_eq!(decode_base64(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_payload_survives_http(kind in 0..3, text: String, bytes: Vec<u8>) {
            let payload = match kind {
                0 => Payload::Json(JsonText::of(&text).unwrap()),
                1 => Payload::Text(text),
                _ => Payload::Binary(Bytes::from(bytes)),
            };
            let body = Bytes::copy_from_slice(payload.as_bytes());
            prop_assert_eq!(&body, &payload.clone().into_bytes());
            prop_assert_eq!(Payload::from_body(Some(payload.content_type()), body), Ok(payload));
        }
    }
}
