//! Where a request comes from: the address of the connection, or what proxies that are trusted say of it. What a client
//! writes into `X-Forwarded-For` itself stands before what they add, and is not read.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};

use crate::model::Origin;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The other end of a request's connection, which the server puts beside the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// The address that the farthest of so many proxies saw; the connection's own where there are none, or fewer have noted
/// anything.
pub(crate) fn origin(headers: &HeaderMap, peer: Option<Peer>, proxies: usize) -> Origin {
    client(headers, peer, proxies).map_or(Origin::Unknown, Origin::address)
}

/// The same as an address; `None` where nothing is known.
pub(crate) fn client(headers: &HeaderMap, peer: Option<Peer>, proxies: usize) -> Option<IpAddr> {
    let noted = proxies.checked_sub(1).and_then(|behind| {
        let hops: Vec<_> = headers
            .get_all(FORWARDED_FOR)
            .iter()
            .flat_map(|value| value.as_bytes().split(|b| *b == b','))
            .collect();
        let hop = hops.iter().rev().nth(behind)?;
        address(std::str::from_utf8(hop).ok()?.trim())
    });
    noted.or(peer.map(|peer| peer.0))
}

/// Azure's front ends add the port.
fn address(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    bare.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(headers: &[&str], proxies: usize) -> String {
        let peer = Some(Peer([127, 0, 0, 1].into()));
        let headers = headers.iter().map(|value| (FORWARDED_FOR, value.parse().unwrap())).collect();
        origin(&headers, peer, proxies).to_string()
    }

    #[test]
    fn only_what_a_trusted_proxy_added_is_read() {
        assert_eq!(of(&["198.51.100.7"], 0), "address:127.0.0.1");
        assert_eq!(of(&["198.51.100.7, 203.0.113.9:4711"], 1), "address:203.0.113.9");
        assert_eq!(of(&["6.6.6.6", "203.0.113.9, 10.0.0.1"], 2), "address:203.0.113.9");
        assert_eq!(of(&["2001:db8::1"], 1), "address:2001:db8::1");
        assert_eq!(of(&["[2001:db8::1]:443"], 1), "address:2001:db8::1");
        assert_eq!(of(&["[2001:db8::1]"], 1), "address:2001:db8::1");
        assert_eq!(of(&["::ffff:203.0.113.9"], 1), "address:203.0.113.9");
        assert_eq!(of(&[], 1), "address:127.0.0.1");
        assert_eq!(of(&["203.0.113.9"], 2), "address:127.0.0.1", "somebody came past a proxy");
        assert_eq!(of(&["203.0.113.9\", \"x\":\"y"], 1), "address:127.0.0.1");
    }

    #[test]
    fn without_a_connection_nothing_is_known() {
        assert_eq!(origin(&HeaderMap::new(), None, 1), Origin::Unknown);
    }
}
