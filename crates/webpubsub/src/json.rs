//! What all JSON parsers of this crate share: a limit on nesting, and writing strings.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::metadata::Metadata;
use crate::payload::Payload;

/// How deep arrays and objects may nest, the outermost one included. The emulator refuses a frame 71 deep; its JSON
/// library's limit is 64.
pub(crate) const MAX_DEPTH: usize = 64;

/// Whether brackets outside strings nest deeper than [`MAX_DEPTH`]. One pass, no recursion; says nothing about
/// whether the text is JSON.
pub(crate) fn too_deep(text: &str) -> bool {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    for byte in text.bytes() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return true;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// The one JSON value in `text`, without the white space around it; `None` when `text` is anything else.
pub(crate) fn single_value(text: &str) -> Option<&str> {
    if too_deep(text) {
        return None;
    }
    let value: &RawValue = serde_json::from_str(text).ok()?;
    Some(value.get())
}

/// Reads a borrowed raw value as `T`.
pub(crate) fn read<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

/// Appends `text` as a JSON string: plain UTF-8, escaping only what JSON requires.
pub(crate) fn push_string(out: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let short = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            0..=0x1f => "",
            _ => continue,
        };
        // Only ASCII bytes get here, so `at` is on a character boundary.
        out.push_str(&text[from..at]);
        from = at + 1;
        if short.is_empty() {
            out.push_str("\\u00");
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 0xf)]));
        } else {
            out.push_str(short);
        }
    }
    out.push_str(&text[from..]);
    out.push('"');
}

/// Writes one compact JSON object whose first field is `type`, field by field in the caller's order. Field names are
/// plain words that need no escaping.
pub(crate) struct ObjectWriter(String);

impl ObjectWriter {
    pub(crate) fn of_type(kind: &'static str) -> Self {
        Self::with_capacity(kind, 64)
    }

    /// `capacity` is a guess at the size of the whole, in bytes.
    pub(crate) fn with_capacity(kind: &'static str, capacity: usize) -> Self {
        let mut out = String::with_capacity(capacity);
        out.push_str(r#"{"type":""#);
        out.push_str(kind);
        out.push('"');
        Self(out)
    }

    fn name(&mut self, name: &'static str) {
        self.0.push_str(",\"");
        self.0.push_str(name);
        self.0.push_str("\":");
    }

    pub(crate) fn string(&mut self, name: &'static str, value: &str) {
        self.name(name);
        push_string(&mut self.0, value);
    }

    pub(crate) fn string_or_null(&mut self, name: &'static str, value: Option<&str>) {
        match value {
            Some(value) => self.string(name, value),
            None => self.raw(name, "null"),
        }
    }

    /// A number, or nothing.
    pub(crate) fn number(&mut self, name: &'static str, value: Option<u64>) {
        if let Some(value) = value {
            self.name(name);
            // Writing to a string cannot fail.
            let _ = write!(self.0, "{value}");
        }
    }

    /// A value that is JSON already.
    pub(crate) fn raw(&mut self, name: &'static str, json: &str) {
        self.name(name);
        self.0.push_str(json);
    }

    pub(crate) fn payload(&mut self, payload: &Payload) {
        self.raw("dataType", "\"");
        self.0.push_str(payload.data_type());
        self.0.push('"');
        self.name("data");
        payload.push_json(&mut self.0);
    }

    /// A payload and, if there is any, metadata.
    pub(crate) fn content(&mut self, payload: &Payload, metadata: &Metadata) {
        self.payload(payload);
        if !metadata.is_empty() {
            self.name("metadata");
            metadata.push_json(&mut self.0);
        }
    }

    /// A nested object of two strings: an error's name and its message.
    pub(crate) fn error(&mut self, name: &str, message: &str) {
        self.raw("error", r#"{"name":"#);
        push_string(&mut self.0, name);
        self.0.push_str(r#","message":"#);
        push_string(&mut self.0, message);
        self.0.push('}');
    }

    pub(crate) fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn depth_is_counted_outside_strings_only() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(!too_deep(&nested(MAX_DEPTH)));
        assert!(too_deep(&nested(MAX_DEPTH + 1)));
        assert!(!too_deep(&format!("[{}]", "{},".repeat(1000))));
        assert!(!too_deep(&format!("\"{}\"", "[".repeat(100))));
        assert!(!too_deep(&format!("\"\\\"{}\"", "[".repeat(100))));
        assert!(too_deep(&format!("\"\\\\\"{}", "[".repeat(100))));
    }

    #[test]
    fn one_value_without_the_white_space_around_it() {
        assert_eq!(single_value(" \r\n{ \"a\" : 1 }\t"), Some("{ \"a\" : 1 }"));
        assert_eq!(single_value("null"), Some("null"));
        for bad in ["", " ", "{bad", "1 2", "\u{feff}1", "nul", "{\"a\":1,}"] {
            assert_eq!(single_value(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn strings_are_written_as_json_reads_them(text: String) {
            let mut out = String::new();
            push_string(&mut out, &text);
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }
    }
}
