//! How many requests an address may make. Whose address counts is decided here.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName};

use super::Front;
use crate::error::ApiError;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Who opened the connection that a request came on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Charges each request to its client's address. Those that are not: the probes, which a neighbour's flood must not make fail,
/// and events, which a service brings for all its clients; an event without proof is charged where that is found out.
pub(super) async fn layer(State(front): State<Front>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let path = path.strip_prefix("/api").unwrap_or(path);
    if matches!(path, "/health" | "/readyz" | "/eventhandler") {
        return next.run(request).await;
    }
    match charge(&front, &request) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// Takes one request's token from the client's address.
pub(super) fn charge(front: &Front, request: &Request) -> Result<(), ApiError> {
    let peer = request.extensions().get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0);
    let address = client(request.headers(), peer, front.config.proxy_hops);
    Ok(front.limits.request(address)?)
}

/// The client as the outermost of `hops` trusted proxies saw it. Each of them adds to the end of `X-Forwarded-For` whom it heard,
/// so the entry that counts stands `hops` from the end; what is in front of it is the client's own word and may be forged. A
/// shorter list came past some of the proxies: its first entry was written by the outermost that was passed. Without
/// proxies the header is the client's own word as a whole.
fn client(headers: &HeaderMap, peer: IpAddr, hops: usize) -> IpAddr {
    if hops == 0 {
        return peer;
    }
    let lists = headers.get_all(&FORWARDED_FOR).iter().map(|value| value.to_str().unwrap_or("?"));
    let entries: Vec<&str> = lists.flat_map(|list| list.split(',')).map(str::trim).collect();
    let entry = entries.get(entries.len().saturating_sub(hops));
    entry.and_then(|entry| address(entry)).unwrap_or(peer)
}

/// `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:4711`.
fn address(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    bare.parse().ok().or_else(|| entry.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client_of(lists: &[&str], hops: usize) -> String {
        let mut headers = HeaderMap::new();
        for list in lists {
            headers.append(FORWARDED_FOR, list.parse().unwrap());
        }
        client(&headers, "127.0.0.9".parse().unwrap(), hops).to_string()
    }

    #[test]
    fn alone_the_header_says_nothing() {
        assert_eq!(client_of(&["192.0.2.1"], 0), "127.0.0.9");
        assert_eq!(client_of(&[], 0), "127.0.0.9");
    }

    #[test]
    fn behind_proxies_only_what_they_wrote_counts() {
        assert_eq!(client_of(&["192.0.2.1"], 1), "192.0.2.1");
        for forged in ["6.6.6.6, 192.0.2.1", "junk,, 192.0.2.1:4711", "192.0.2.9,6.6.6.6,192.0.2.1"] {
            assert_eq!(client_of(&[forged], 1), "192.0.2.1", "{forged}");
        }
        assert_eq!(client_of(&["6.6.6.6", "7.7.7.7, 192.0.2.1"], 1), "192.0.2.1", "headers in their order");
        assert_eq!(client_of(&["6.6.6.6, 192.0.2.1, 10.0.0.4"], 2), "192.0.2.1");
        assert_eq!(client_of(&["192.0.2.1"], 2), "192.0.2.1", "past the outer proxy");
    }

    #[test]
    fn every_spelling_is_read_and_junk_is_the_peers() {
        for (entry, expected) in [
            ("192.0.2.1:80", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("unknown", "127.0.0.9"),
            ("", "127.0.0.9"),
            ("192.0.2.1:99999", "127.0.0.9"),
        ] {
            assert_eq!(client_of(&[entry], 1), expected, "{entry}");
        }
    }
}
