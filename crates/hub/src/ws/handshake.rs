//! The opening handshake, server's side.

use base64::Engine as _;
use http::{HeaderMap, HeaderValue, Method, Version, header};
use sha1::{Digest as _, Sha1};

/// RFC 6455 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The value of `Sec-WebSocket-Accept` if the request asks for a WebSocket as RFC 6455 4.2.1 wants it.
#[must_use]
pub fn accept_key(method: &Method, version: Version, headers: &HeaderMap) -> Option<HeaderValue> {
    let asks = *method == Method::GET
        && version == Version::HTTP_11
        && has_token(headers, &header::CONNECTION, "upgrade")
        && has_token(headers, &header::UPGRADE, "websocket")
        && headers.get(header::SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    if !asks {
        return None;
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY)?.as_bytes().trim_ascii();
    if base64::prelude::BASE64_STANDARD.decode(key).ok()?.len() != 16 {
        return None;
    }
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    HeaderValue::from_str(&base64::prelude::BASE64_STANDARD.encode(digest)).ok()
}

/// The offered subprotocols, in order.
#[must_use]
pub fn offered_subprotocols(headers: &HeaderMap) -> Vec<String> {
    list(headers, &header::SEC_WEBSOCKET_PROTOCOL).map(str::to_owned).collect()
}

fn has_token(headers: &HeaderMap, name: &header::HeaderName, token: &str) -> bool {
    list(headers, name).any(|entry| entry.eq_ignore_ascii_case(token))
}

/// The entries of a comma-separated header, over all its lines.
fn list<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONNECTION, HeaderValue::from_static("keep-alive, Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("WebSocket"));
        headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.insert(header::SEC_WEBSOCKET_KEY, HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
        headers
    }

    #[test]
    fn the_rfc_example_is_accepted() {
        let accept = accept_key(&Method::GET, Version::HTTP_11, &request());
        assert_eq!(accept, Some(HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")));
    }

    #[test]
    fn each_missing_part_refuses() {
        for name in ["connection", "upgrade", "sec-websocket-version", "sec-websocket-key"] {
            let mut headers = request();
            headers.remove(name);
            assert_eq!(accept_key(&Method::GET, Version::HTTP_11, &headers), None, "{name}");
        }
        assert_eq!(accept_key(&Method::POST, Version::HTTP_11, &request()), None);
        let mut short = request();
        short.insert(header::SEC_WEBSOCKET_KEY, HeaderValue::from_static("c2hvcnQ="));
        assert_eq!(accept_key(&Method::GET, Version::HTTP_11, &short), None);
    }

    #[test]
    fn offers_come_in_order_over_all_lines() {
        let mut headers = HeaderMap::new();
        headers.append(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("one, two"));
        headers.append(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(",three"));
        assert_eq!(offered_subprotocols(&headers), ["one", "two", "three"]);
    }
}
