//! Message metadata: a small map of ASCII strings that travels with a message, as a JSON object in frames and as
//! `x-webpubsub-metadata-*` headers over HTTP.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

use crate::json;

/// Before the key, in HTTP headers.
pub const HEADER_PREFIX: &str = "x-webpubsub-metadata-";
/// The longest key, in bytes.
pub const MAX_KEY: usize = 256;
/// The longest value, in bytes.
pub const MAX_VALUE: usize = 1024;
/// The most that all keys and values take together, in bytes.
pub const MAX_TOTAL: usize = 8 * 1024;

/// Key-value pairs in the order they were given.
///
/// Keys are HTTP tokens and differ by more than case, because they travel as header names. Values are printable ASCII
/// or tabs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata(Vec<(String, String)>);

/// Why a pair cannot be part of metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMetadata {
    #[error("A metadata key must be an HTTP token of at most 256 bytes.")]
    Key,
    #[error("A metadata value must be printable ASCII of at most 1024 bytes.")]
    Value,
    #[error("A metadata key is given twice.")]
    Duplicate,
    #[error("The metadata is larger than 8 KiB.")]
    TooLarge,
}

impl Metadata {
    /// Checks pairs and takes them in their order. Reading stops at the first byte too many.
    pub fn from_pairs<K, V>(pairs: impl IntoIterator<Item = (K, V)>) -> Result<Self, InvalidMetadata>
    where
        K: Into<String>,
        V: Into<String>,
    {
        let mut collector = Collector::default();
        for (key, value) in pairs {
            collector.push(key.into(), value.into())?;
        }
        collector.finish()
    }

    /// Takes every `x-webpubsub-metadata-*` header. Keys are in lower case; of a repeated header the last value counts.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, InvalidMetadata> {
        let mut collector = Collector::default();
        for name in headers.keys() {
            let Some(key) = name.as_str().strip_prefix(HEADER_PREFIX) else { continue };
            let Some(value) = headers.get_all(name).iter().next_back() else { continue };
            let value = value.to_str().map_err(|_| InvalidMetadata::Value)?;
            collector.push(key.to_owned(), value.to_owned())?;
        }
        collector.finish()
    }

    /// Adds one header per pair.
    pub fn write_headers(&self, headers: &mut HeaderMap) {
        for (key, value) in self.iter() {
            let name = HeaderName::try_from(format!("{HEADER_PREFIX}{key}"));
            // Keys are tokens and values printable, so neither can fail.
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
                headers.insert(name, value);
            }
        }
    }

    /// Whether there are no pairs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The pairs in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The value of `key`, compared with case.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find_map(|(name, value)| (name == key).then_some(value))
    }

    /// Appends the pairs as a JSON object.
    pub(crate) fn push_json(&self, out: &mut String) {
        out.push('{');
        for (at, (key, value)) in self.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            json::push_string(out, key);
            out.push(':');
            json::push_string(out, value);
        }
        out.push('}');
    }
}

/// Checks pairs as they come, so that an oversized input is refused before it is kept.
#[derive(Default)]
struct Collector {
    pairs: Vec<(String, String)>,
    total: usize,
}

impl Collector {
    fn push(&mut self, key: String, value: String) -> Result<(), InvalidMetadata> {
        if key.is_empty() || key.len() > MAX_KEY || !key.bytes().all(is_token) {
            return Err(InvalidMetadata::Key);
        }
        if value.len() > MAX_VALUE || !value.bytes().all(|b| matches!(b, b'\t' | b' '..=b'~')) {
            return Err(InvalidMetadata::Value);
        }
        self.total += key.len() + value.len();
        if self.total > MAX_TOTAL {
            return Err(InvalidMetadata::TooLarge);
        }
        self.pairs.push((key, value));
        Ok(())
    }

    fn finish(self) -> Result<Metadata, InvalidMetadata> {
        let mut keys: Vec<_> = self.pairs.iter().map(|(key, _)| key.to_ascii_lowercase()).collect();
        keys.sort_unstable();
        if keys.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(InvalidMetadata::Duplicate);
        }
        Ok(Metadata(self.pairs))
    }
}

/// A character of an HTTP token (RFC 9110, 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Metadata;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metadata, A::Error> {
                let mut collector = Collector::default();
                while let Some((key, value)) = map.next_entry::<String, String>()? {
                    collector.push(key, value).map_err(A::Error::custom)?;
                }
                collector.finish().map_err(A::Error::custom)
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Result<Metadata, InvalidMetadata> {
        Metadata::from_pairs(pairs.iter().copied())
    }

    #[test]
    fn limits() {
        assert!(pairs(&[(&"k".repeat(256), &"v".repeat(1024))]).is_ok());
        assert_eq!(pairs(&[(&"k".repeat(257), "")]), Err(InvalidMetadata::Key));
        assert_eq!(pairs(&[("", "x")]), Err(InvalidMetadata::Key));
        assert_eq!(pairs(&[("a b", "x")]), Err(InvalidMetadata::Key));
        assert_eq!(pairs(&[("a", &"v".repeat(1025))]), Err(InvalidMetadata::Value));
        assert_eq!(pairs(&[("a", "ü")]), Err(InvalidMetadata::Value));
        assert_eq!(pairs(&[("a", "x\r\nEvil: 1")]), Err(InvalidMetadata::Value));
        assert_eq!(pairs(&[("Trace", "1"), ("trace", "2")]), Err(InvalidMetadata::Duplicate));
    }

    #[test]
    fn eight_kib_in_all() {
        let fill = |total: usize| {
            let mut left = total;
            let mut pairs = Vec::new();
            while left > 0 {
                let value = (left - 2).min(1022);
                pairs.push((format!("{:02}", pairs.len()), "v".repeat(value)));
                left -= value + 2;
            }
            Metadata::from_pairs(pairs)
        };
        assert!(fill(MAX_TOTAL).is_ok());
        assert_eq!(fill(MAX_TOTAL + 3), Err(InvalidMetadata::TooLarge));
    }

    #[test]
    fn headers_there_and_back() {
        let metadata = pairs(&[("trace", "7"), ("other", "")]).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("text/plain"));
        metadata.write_headers(&mut headers);
        assert_eq!(headers["x-webpubsub-metadata-trace"], "7");
        headers.append("x-webpubsub-metadata-trace", HeaderValue::from_static("8"));
        let back = Metadata::from_headers(&headers).unwrap();
        assert_eq!(back.get("trace"), Some("8"), "the last value counts");
        assert_eq!(back.get("other"), Some(""));
        assert_eq!(back.iter().len(), 2);
    }
}
