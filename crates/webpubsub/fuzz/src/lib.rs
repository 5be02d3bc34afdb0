//! What must hold for every input of every parser: it ends, it does not panic, and what it accepts it can write and
//! read again. The fuzz targets call these; so does a test of the crate, with recorded inputs that are mutated.

use http::{HeaderMap, HeaderName, HeaderValue};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::value::RawValue;
use webpubsub::client_frame::ClientFrame;
use webpubsub::cloud_events::{EventContext, decode_state, verify_signature};
use webpubsub::connect_event::{ConnectRequest, ConnectResponse, DisconnectedRequest};
use webpubsub::connection_string::ConnectionString;
use webpubsub::key::AccessKey;
use webpubsub::metadata::Metadata;
use webpubsub::names::HubName;
use webpubsub::payload::Payload;
use webpubsub::roles::{Action, Permissions};
use webpubsub::server_frame::ServerFrame;
use webpubsub::subprotocol::{Subprotocol, offered};
use webpubsub::token::{verify_client_token, verify_reconnection_token, verify_rest_token};
use webpubsub::validation;

const KEY: &str = "key";

/// Text, with what is not UTF-8 replaced: parsers of text never see anything else.
fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}

/// The first line and the rest.
fn line_and_rest(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &[]),
    }
}

/// Headers from lines of `name: value`; lines that are none are left out.
fn headers(data: &[u8]) -> HeaderMap {
    let header = |line: &[u8]| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        Some((name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?))
    };
    let mut headers = HeaderMap::new();
    for (name, value) in data.split(|byte| *byte == b'\n').take(1000).filter_map(header) {
        headers.append(name, value);
    }
    headers
}

fn key() -> Option<AccessKey> {
    AccessKey::new(KEY).ok()
}

pub fn client_frame(data: &[u8]) {
    let text = text(data);
    if let Ok(frame) = ClientFrame::parse(&text) {
        assert_eq!(ClientFrame::parse(&frame.encode()).as_ref(), Ok(&frame));
    }
}

pub fn server_frame(data: &[u8]) {
    if let Ok(frame) = ServerFrame::parse(&text(data)) {
        assert_eq!(ServerFrame::parse(&frame.encode()).as_ref(), Ok(&frame));
    }
}

/// The first line is the content type.
pub fn payload(data: &[u8]) {
    let (content_type, body) = line_and_rest(data);
    if let Ok(payload) = Payload::from_body(Some(&text(content_type)), body.to_vec().into()) {
        let again = Payload::from_body(Some(payload.content_type()), payload.clone().into_bytes());
        assert_eq!(again.as_ref(), Ok(&payload));
    }
}

/// Lines of headers.
pub fn metadata(data: &[u8]) {
    if let Ok(metadata) = Metadata::from_headers(&headers(data)) {
        let mut written = HeaderMap::new();
        metadata.write_headers(&mut written);
        let again = Metadata::from_headers(&written).ok();
        assert_eq!(again.map(|again| again.iter().len()), Some(metadata.iter().len()));
    }
}

/// The first line is a group, the others are roles.
pub fn roles(data: &[u8]) {
    let (group, roles) = line_and_rest(data);
    let (group, roles) = (text(group), text(roles));
    let Ok(mut permissions) = Permissions::from_roles(roles.lines()) else { return };
    for action in [Action::JoinLeaveGroup, Action::SendToGroup] {
        let _ = permissions.allows(action, &group);
        if permissions.revoke(action, &group).is_ok() {
            assert!(!permissions.allows(action, &group));
        }
        if permissions.grant(action, &group).is_ok() {
            assert!(permissions.allows(action, &group));
        }
    }
}

/// The first line is the hub or the request target, the rest a token; and, if it is JSON, the claims of a token that
/// is signed well.
pub fn token(data: &[u8]) {
    let (target, rest) = line_and_rest(data);
    let (target, rest) = (text(target), text(rest));
    let keys: Vec<_> = key().into_iter().collect();
    let hub = HubName::new(&target).or_else(|_| HubName::new("plain"));
    let verify = |token: &str| {
        let _ = verify_rest_token(&keys, token, &target, 1);
        if let Ok(hub) = &hub {
            let _ = verify_client_token(&keys, token, hub, 1);
            let _ = verify_reconnection_token(&keys, token, hub, &target);
        }
    };
    verify(&rest);
    let Ok(claims) = serde_json::from_str::<&RawValue>(&rest) else { return };
    let signing = EncodingKey::from_secret(KEY.as_bytes());
    if let Ok(token) = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &signing) {
        verify(&token);
    }
}

pub fn connection_string(data: &[u8]) {
    if let Ok(parsed) = text(data).parse::<ConnectionString>() {
        assert_eq!(parsed.reveal().parse().as_ref(), Ok(&parsed));
    }
}

/// Lines of headers.
pub fn cloud_events(data: &[u8]) {
    if let Ok(context) = EventContext::from_headers(&headers(data)) {
        let mut written = HeaderMap::new();
        if context.write_headers(&mut written).is_ok() {
            assert_eq!(EventContext::from_headers(&written).as_ref(), Ok(&context));
        }
    }
}

/// A signature or a connection state.
pub fn signature_and_state(data: &[u8]) {
    let text = text(data);
    assert!(!verify_signature(&[], "0f9c", &text), "without a key nothing is signed");
    let _ = verify_signature(key().as_slice(), "0f9c", &text);
    let _ = decode_state(&text);
}

pub fn connect_event(data: &[u8]) {
    if let Ok(request) = ConnectRequest::parse(data) {
        let again = request.encode().and_then(|body| ConnectRequest::parse(&body));
        assert_eq!(again.as_ref(), Ok(&request));
    }
    if let Ok(response) = ConnectResponse::parse(data) {
        let again = response.encode().and_then(|body| ConnectResponse::parse(&body));
        assert_eq!(again.as_ref(), Ok(&response));
    }
    let _ = DisconnectedRequest::parse(data);
}

/// Names, subprotocols offered, and origins of abuse protection: all lists or single words.
pub fn words(data: &[u8]) {
    let text = text(data);
    if let Ok(hub) = HubName::new(&text) {
        assert_eq!(HubName::new(hub.as_str()).as_ref(), Ok(&hub));
    }
    let chosen = Subprotocol::first_known(offered([text.as_str()]));
    assert!(chosen.is_none_or(|chosen| text.contains(chosen.name())));
    if let Some(answer) = validation::answer(&text, &["*"]) {
        assert!(answer.split(',').all(|host| validation::is_allowed(&answer, host)));
    }
}
