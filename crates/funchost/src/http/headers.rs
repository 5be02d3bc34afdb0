//! What each mode does to headers.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::invoke::{HOST_VERSION, USER_AGENT};

pub(super) const HOST_VERSION_NAME: HeaderName = HeaderName::from_static("x-azure-functions-hostversion");
pub(super) const INVOCATION_ID_NAME: HeaderName = HeaderName::from_static("x-azure-functions-invocationid");

/// Headers that end at the next hop; those that `Connection` names are removed too.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Removes what ends at this hop.
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Every header once: repeated values are joined by commas, cookies by semicolons. `None` where a value is not ASCII:
/// the host's client refuses it.
pub(super) fn joined(headers: &HeaderMap) -> Option<HeaderMap> {
    let mut joined = HeaderMap::new();
    for name in headers.keys() {
        let separator: &[u8] = if name == header::COOKIE { b"; " } else { b", " };
        let values: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
        let value = values.join(separator);
        if !value.is_ascii() {
            return None;
        }
        joined.insert(name, HeaderValue::from_bytes(&value).ok()?);
    }
    Some(joined)
}

/// Adds a value behind one that is there.
pub(super) fn append(headers: &mut HeaderMap, name: HeaderName, separator: &str, value: &str) {
    let text = match headers.get(&name).and_then(|known| known.to_str().ok()) {
        Some(known) => format!("{known}{separator}{value}"),
        None => value.to_owned(),
    };
    if let Ok(value) = HeaderValue::from_str(&text) {
        headers.insert(name, value);
    }
}

/// What legacy forwarding adds, behind whatever the caller sent under these names.
pub(super) fn append_hosts_own(headers: &mut HeaderMap, invocation_id: &str) {
    append(headers, HOST_VERSION_NAME, ", ", HOST_VERSION);
    append(headers, INVOCATION_ID_NAME, ", ", invocation_id);
    append(headers, header::USER_AGENT, " ", USER_AGENT);
}

/// Whether .NET counts a header to the content, which legacy forwarding leaves behind (but for type and length).
pub(super) fn is_lost_content_header(name: &HeaderName) -> bool {
    let name = name.as_str();
    let of_content = name.starts_with("content-") || ["allow", "expires", "last-modified"].contains(&name);
    of_content && name != "content-type" && name != "content-length"
}

/// The case in which the host's server knows a header; others come in lower case.
pub(super) fn display_name(name: &HeaderName) -> String {
    let lower = name.as_str();
    match lower {
        "te" => "TE".into(),
        "baggage" | "traceparent" | "tracestate" => lower.into(),
        "sec-websocket-key"
        | "sec-websocket-version"
        | "sec-websocket-protocol"
        | "sec-websocket-extensions" => {
            format!("Sec-WebSocket-{}", title(&lower["sec-websocket-".len()..]))
        }
        _ if is_known(lower) => title(lower),
        _ => lower.into(),
    }
}

fn is_known(lower: &str) -> bool {
    const KNOWN: [&str; 16] = [
        "accept",
        "authorization",
        "cache-control",
        "connection",
        "cookie",
        "date",
        "expect",
        "forwarded",
        "from",
        "host",
        "keep-alive",
        "origin",
        "referer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    ];
    const FAMILIES: [&str; 4] = ["accept-", "access-control-", "content-", "if-"];
    KNOWN.contains(&lower) || FAMILIES.iter().any(|family| lower.starts_with(family))
}

fn title(lower: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        letters
            .next()
            .map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
            .unwrap_or_default()
    };
    lower.split('-').map(word).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_joined_and_must_be_ascii() {
        let mut headers = HeaderMap::new();
        headers.append("x-one", HeaderValue::from_static("a"));
        headers.append("x-one", HeaderValue::from_static("b"));
        headers.append("cookie", HeaderValue::from_static("a=1"));
        headers.append("cookie", HeaderValue::from_static("b=2"));
        let joined_headers = joined(&headers).unwrap();
        assert_eq!(joined_headers["x-one"], "a, b");
        assert_eq!(joined_headers["cookie"], "a=1; b=2");
        headers.insert("x-latin", HeaderValue::from_bytes("café".as_bytes()).unwrap());
        assert_eq!(joined(&headers), None);
    }

    #[test]
    fn what_connection_names_ends_here_too() {
        let mut headers = HeaderMap::new();
        for (name, value) in
            [("connection", "close, x-mine"), ("x-mine", "1"), ("te", "trailers"), ("x-other", "2")]
        {
            headers.insert(name, HeaderValue::from_static(value));
        }
        remove_hop_by_hop(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-other"]);
    }

    #[test]
    fn names_are_shown_as_the_server_knows_them() {
        for (name, shown) in
            [("content-type", "Content-Type"), ("sec-websocket-key", "Sec-WebSocket-Key"), ("x-one", "x-one")]
        {
            assert_eq!(display_name(&HeaderName::from_static(name)), shown);
        }
    }
}
