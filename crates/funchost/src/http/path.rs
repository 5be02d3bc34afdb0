//! What the host's URL handling makes of a path and a query on their way to the handler.
//!
//! The server decodes the path (all but `%2F`) and resolves its dot segments; each mode then encodes that text in its
//! own way, and neither restores what was sent.

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but what .NET leaves alone in a path.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Everything but what .NET's `UrlEncoder` leaves alone in a query's name or value.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'$')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b',')
    .remove(b'-')
    .remove(b'.')
    .remove(b':')
    .remove(b';')
    .remove(b'@')
    .remove(b'_')
    .remove(b'~');

/// What `System.Uri` escapes in a path that is set as text: it leaves valid escapes as they are.
const URI: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The path as the host's server holds it: escapes decoded but for `%2F`, dot segments resolved. `None` for a path
/// that the server refuses (a NUL).
pub(crate) fn decode(raw: &str) -> Option<String> {
    let decoded = decode_escapes(raw);
    (!decoded.contains('\0')).then(|| resolve_dots(&decoded))
}

/// A proxied path: the decoded path with everything unusual encoded, a remaining `%` too (so `%2F` arrives as `%252F`).
pub(crate) fn proxied(decoded: &str) -> String {
    utf8_percent_encode(decoded, PATH).to_string()
}

/// A path as the host shows it in a URL: the decoded path encoded, but for escapes that are left in it.
pub(crate) fn displayed(decoded: &str) -> String {
    let mut path = String::new();
    let mut rest = decoded;
    while let Some(at) = rest.find('%') {
        path.extend(utf8_percent_encode(&rest[..at], PATH));
        let end = if escape_at(rest, at).is_some() { at + 3 } else { at + 1 };
        path.push_str(if end == at + 1 { "%25" } else { &rest[at..end] });
        rest = &rest[end..];
    }
    path.extend(utf8_percent_encode(rest, PATH));
    path
}

/// A forwarded path: the decoded path taken as text of a URL, so it ends at a `?` or `#` that was escaped.
pub(crate) fn forwarded(decoded: &str) -> String {
    let end = decoded.find(['?', '#']).unwrap_or(decoded.len());
    let mut path = String::new();
    let mut rest = &decoded[..end];
    while let Some(at) = rest.find('%') {
        path.extend(utf8_percent_encode(&rest[..at], URI));
        match escape_at(rest, at) {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => path.push(byte.into()),
            Some(_) => path.push_str(&rest[at..at + 3]),
            None => path.push_str("%25"),
        }
        rest = &rest[at + if escape_at(rest, at).is_some() { 3 } else { 1 }..];
    }
    path.extend(utf8_percent_encode(rest, URI));
    path
}

/// A forwarded query with its `?`: decoded, repeated keys joined by commas, encoded again. Empty without a query.
pub(crate) fn forwarded_query(query: Option<&str>) -> String {
    let mut joined = String::new();
    for (key, values) in grouped(&parse_query(query.unwrap_or_default())) {
        joined.push(if joined.is_empty() { '?' } else { '&' });
        joined.extend(utf8_percent_encode(&key, QUERY));
        joined.push('=');
        joined.extend(utf8_percent_encode(&values.join(","), QUERY));
    }
    joined
}

/// The pairs of a query, decoded, in order.
pub(crate) fn parse_query(query: &str) -> Vec<(String, String)> {
    let decode = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            pair.split_once('=')
                .map_or((decode(pair), String::new()), |(key, value)| (decode(key), decode(value)))
        })
        .collect()
}

/// Pairs with the values of equal keys (case does not matter) together, in order of first appearance.
pub(crate) fn grouped(pairs: &[(String, String)]) -> Vec<(String, Vec<String>)> {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for (key, value) in pairs {
        match groups.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(key)) {
            Some((_, values)) => values.push(value.clone()),
            None => groups.push((key.clone(), vec![value.clone()])),
        }
    }
    groups
}

fn decode_escapes(raw: &str) -> String {
    let mut decoded = String::new();
    let mut at = 0;
    while at < raw.len() {
        let mut bytes = Vec::new();
        while let Some(byte) = escape_at(raw, at + 3 * bytes.len()).filter(|&byte| byte != b'/') {
            bytes.push(byte);
        }
        let escaped = &raw[at..at + 3 * bytes.len()];
        push_decoded(&mut decoded, &bytes, escaped);
        at += escaped.len();
        // What follows is `%2F`, a stray `%` or any other text: it stays up to the next escape.
        let rest = &raw[at..];
        let end = rest.char_indices().skip(1).find(|&(_, c)| c == '%').map_or(rest.len(), |(end, _)| end);
        if !rest.is_empty() && escape_at(raw, at).is_none_or(|byte| byte == b'/') {
            decoded.push_str(&rest[..end]);
            at += end;
        }
    }
    decoded
}

/// Bytes that are no UTF-8 keep their escapes.
fn push_decoded(decoded: &mut String, bytes: &[u8], escaped: &str) {
    let mut at = 0;
    for chunk in bytes.utf8_chunks() {
        decoded.push_str(chunk.valid());
        at += chunk.valid().len();
        let kept = 3 * at..3 * (at + chunk.invalid().len());
        decoded.push_str(escaped.get(kept).unwrap_or_default());
        at += chunk.invalid().len();
    }
}

/// The byte that the escape at `at` stands for.
fn escape_at(text: &str, at: usize) -> Option<u8> {
    let digits = text.get(at..at + 3)?.strip_prefix('%')?;
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u8::from_str_radix(digits, 16).ok())?
}

fn resolve_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    for (index, segment) in segments.iter().enumerate() {
        let last = index + 1 == segments.len();
        match *segment {
            "." => {}
            ".." => drop(kept.pop()),
            other => {
                kept.push(other);
                continue;
            }
        }
        if last {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_as_the_server_does() {
        for (raw, decoded) in [
            ("/", "/"),
            ("/api/rooms/a%2Fb%20c%3Fd%23e%25f%C3%BC+g/messages", "/api/rooms/a%2Fb c?d#e%fü+g/messages"),
            ("/api/rooms/../secure/./x", "/api/secure/x"),
            ("/api//rooms", "/api//rooms"),
            ("/api/rooms/", "/api/rooms/"),
            ("/a/..", "/"),
            ("/a/b/.", "/a/b/"),
            ("/../../x", "/x"),
            ("/a%FFb%zz%", "/a%FFb%zz%"),
            ("/%2e%2E/x", "/x"),
        ] {
            assert_eq!(decode(raw).as_deref(), Some(decoded), "{raw}");
        }
        assert_eq!(decode("/a%00b"), None);
    }

    #[test]
    fn each_mode_encodes_in_its_own_way() {
        let decoded = "/api/rooms/a%2Fb c?d#e%fü+g/messages";
        assert_eq!(proxied(decoded), "/api/rooms/a%252Fb%20c%3Fd%23e%25f%C3%BC+g/messages");
        assert_eq!(forwarded(decoded), "/api/rooms/a%2Fb%20c");
        let odd = "/api/rooms/a:b@c!$&'()*,;=~/x";
        assert_eq!(proxied(odd), odd);
        assert_eq!(forwarded(odd), odd);
        assert_eq!(forwarded("/a%41%2Fü%x"), "/aA%2F%C3%BC%25x");
    }

    #[test]
    fn a_forwarded_query_is_rebuilt() {
        let query = "a=1&a=2&b=&c&d=%20+x&e=%C3%BC&code=SECRET";
        assert_eq!(forwarded_query(Some(query)), "?a=1,2&b=&c=&d=%20%20x&e=%C3%BC&code=SECRET");
        assert_eq!(forwarded_query(None), "");
        assert_eq!(forwarded_query(Some("x=a%26b%3Dc")), "?x=a%26b%3Dc");
    }
}
