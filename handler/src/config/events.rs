//! Who may bring events of clients' sockets over HTTP.

use webpubsub::key::AccessKey;

use super::parse::is_authority;
use super::reader::Reader;
use super::{
    EventSenders, EventTokens, EventsConfig, NegotiateRoles, Secret, ServiceAccess, TransportConfig,
};
use crate::adapters::jwt::{KeySource, TokenRules};

const KEY: &str = "EVENTHANDLER_KEY";
const KEY_MIN_BYTES: usize = 16;
const ISSUER: &str = "EVENTHANDLER_TOKEN_ISSUER";
const AUDIENCE: &str = "EVENTHANDLER_TOKEN_AUDIENCE";
const IDS: &str = "EVENTHANDLER_TOKEN_IDS";

pub(super) fn events(r: &mut Reader<'_>, transport: Option<&TransportConfig>) -> EventsConfig {
    let origins = r.list("EVENTHANDLER_ORIGINS", origin).filter(|origins| !origins.is_empty());
    let keys = r.list("WEBPUBSUB_EVENT_KEYS", |key| AccessKey::new(key).map_err(|why| why.to_string()));
    EventsConfig {
        origins: origins.unwrap_or_else(|| own_origins(transport)),
        keys: keys.unwrap_or_default(),
        tokens: tokens(r),
    }
}

/// What the event handler's URL carries. Whoever guesses it may ask as often as their address allows.
pub(super) fn key(r: &mut Reader<'_>) -> Option<Secret> {
    r.parse(KEY, |text| {
        if text.len() < KEY_MIN_BYTES {
            return Err(format!("must be at least {KEY_MIN_BYTES} bytes long"));
        }
        Ok(Secret::new(text))
    })
}

/// A host, with port if it has one, or `*`.
fn origin(text: &str) -> Result<String, String> {
    if text == "*" || (is_authority(text) && !text.contains('/')) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("each must be a host such as example.webpubsub.azure.com, or *".to_owned())
    }
}

/// The service that is configured, with and without its port; alone, a hub on this machine.
fn own_origins(transport: Option<&TransportConfig>) -> Vec<String> {
    let endpoint = match transport {
        Some(TransportConfig::WebPubSub { access, .. }) => match access {
            ServiceAccess::Key(connection) => connection.endpoint.as_str(),
            ServiceAccess::Identity { endpoint, .. } => endpoint.as_str(),
        },
        _ => return ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned).to_vec(),
    };
    let authority = endpoint.split_once("://").map_or(endpoint, |(_, authority)| authority);
    let host = authority.parse::<http::uri::Authority>().map(|it| it.host().to_owned());
    let mut origins = vec![authority.to_ascii_lowercase()];
    origins.extend(host.ok().map(|host| host.to_ascii_lowercase()).filter(|host| *host != origins[0]));
    origins
}

fn tokens(r: &mut Reader<'_>) -> Option<EventTokens> {
    let all = [ISSUER, AUDIENCE, IDS];
    if !all.iter().any(|name| r.is_set(name)) {
        return None;
    }
    for name in all {
        if !r.is_set(name) {
            r.mistake(name, format!("must be set too: {ISSUER}, {AUDIENCE} and {IDS} belong together"));
        }
    }
    let issuers = r.list(ISSUER, super::auth::issuer)?;
    let text = |text: &str| Ok(text.to_owned());
    let (audiences, ids) = (r.list(AUDIENCE, text)?, r.list(IDS, text)?);
    for (name, list) in [(ISSUER, &issuers), (AUDIENCE, &audiences), (IDS, &ids)] {
        if list.is_empty() {
            r.mistake(name, "must name at least one");
        }
    }
    let first = issuers.first()?;
    if !super::auth::is_https_or_local(first) {
        r.mistake(ISSUER, "must be an https URL, which is asked for its keys");
        return None;
    }
    let keys = KeySource::Issuer(first.clone());
    let rules = TokenRules { issuers, audiences, skew: super::auth::SKEW };
    Some(EventTokens { rules, keys, senders: EventSenders { ids } })
}

/// Nobody can tell a forged event from a true one without a key, a token, or, of a signature that is the same for all events of a
/// connection, a secret beside it. Off Azure the program runs without, and lets no event in. Where tokens are the proof no secret
/// need be set: signatures then count for nothing.
pub(super) fn events_must_be_proven(
    r: &mut Reader<'_>,
    transport: Option<&TransportConfig>,
    events: &EventsConfig,
    roles: NegotiateRoles,
) {
    let Some(TransportConfig::WebPubSub { access, .. }) = transport else { return };
    if roles == NegotiateRoles::Token || events.tokens.is_some() {
        return;
    }
    let has_key = match access {
        ServiceAccess::Key(_) => true,
        ServiceAccess::Identity { event_key, .. } => event_key.is_some() || !events.keys.is_empty(),
    };
    if !has_key {
        r.mistake(
            "WEBPUBSUB_EVENT_KEYS",
            format!("or {ISSUER} must be set with WEBPUBSUB_ENDPOINT: nothing else proves who sends events"),
        );
    }
    if !r.is_set(KEY) {
        r.mistake(
            KEY,
            "must be set where signatures alone prove events, and stand as ?code= in the hub's event handler URL: a \
             signature is the same for all events of a connection",
        );
    }
}
