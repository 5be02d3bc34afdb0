//! What a client's upgrade request says: query and headers.

use axum::extract::Query;
use http::{HeaderMap, Uri, header};
use webpubsub::multimap::MultiMap;

/// The query, decoded, in order.
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(crate) fn of(uri: &Uri) -> Self {
        Self(Query::try_from_uri(uri).map(|Query(pairs)| pairs).unwrap_or_default())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Takes the access token out; its name is compared without case.
    pub(crate) fn take_token(&mut self) -> Option<String> {
        let is_token = |(name, _): &mut (String, String)| name.eq_ignore_ascii_case("access_token");
        self.0.extract_if(.., is_token).map(|(_, value)| value).next()
    }

    pub(crate) fn to_multimap(&self) -> MultiMap {
        let mut map = MultiMap::new();
        for (name, value) in &self.0 {
            map.add(name.as_str(), value.as_str());
        }
        map
    }
}

/// The token of the `Authorization` header.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<String> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// Headers whose capitals handlers of the service are used to; others come in lower case, as HTTP knows them here.
const USUAL_CAPITALS: [&str; 14] = [
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Cache-Control",
    "Connection",
    "Cookie",
    "Host",
    "Origin",
    "Pragma",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Version",
    "Upgrade",
    "User-Agent",
];

/// The headers that a `connect` event names.
pub(crate) fn event_headers(headers: &HeaderMap) -> MultiMap {
    let mut map = MultiMap::new();
    for (name, value) in headers.iter().filter(|(name, _)| *name != header::AUTHORIZATION) {
        let usual = USUAL_CAPITALS.iter().find(|usual| usual.eq_ignore_ascii_case(name.as_str()));
        map.add(*usual.unwrap_or(&name.as_str()), String::from_utf8_lossy(value.as_bytes()));
    }
    map
}
