//! Headers and signatures of events.

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use serde_json::{Value, json};
use webpubsub::cloud_events::{
    EventContext, EventKind, InvalidHeader, decode_state, encode_state, header, signature, verify_signature,
};
use webpubsub::key::AccessKey;
use webpubsub::names::HubName;

use crate::transcripts;

/// 2026-01-02T03:04:05Z
const TIME: u64 = 1_767_323_045;

fn context() -> EventContext {
    EventContext {
        kind: EventKind::User("after".into()),
        hub: HubName::new("up").unwrap(),
        connection_id: "0f9c".into(),
        user_id: Some("user-7".into()),
        id: "2".into(),
        time: Some(TIME),
        subprotocol: Some("json.webpubsub.azure.v1".into()),
        state: Some("eyJuIjoxfQ==".into()),
        signature: Some(signature(&[AccessKey::new("k").unwrap()], "0f9c")),
    }
}

fn written(context: &EventContext) -> HeaderMap {
    let mut headers = HeaderMap::new();
    context.write_headers(&mut headers).unwrap();
    headers
}

/// The `ce-` headers of a recorded request, with a time in place of its mark.
fn recorded(request: &Value) -> HeaderMap {
    let all = request["headers"].as_object().unwrap().iter().filter(|(name, _)| name.starts_with("ce-"));
    all.map(|(name, value)| {
        let value = value.as_str().unwrap().replace("<time>", "2026-01-02T03:04:05Z");
        (HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap())
    })
    .collect()
}

#[test]
fn every_recorded_event_is_read_and_written_again() {
    let mut events = 0;
    for request in transcripts::handler_requests().iter().filter(|request| request["method"] == "POST") {
        let theirs = recorded(request);
        let context = EventContext::from_headers(&theirs).unwrap();
        assert_eq!(written(&context), theirs);
        let target = request["target"].as_str().unwrap();
        assert!(target.ends_with(&format!("/{}", context.kind.name())), "{target}");
        events += 1;
    }
    assert!(events > 60, "only {events}");
}

#[test]
fn what_is_empty_is_not_sent() {
    let bare = EventContext {
        user_id: Some(String::new()),
        subprotocol: None,
        state: Some(String::new()),
        signature: None,
        time: None,
        ..context()
    };
    let headers = written(&bare);
    for name in
        [header::USER_ID, header::SUBPROTOCOL, header::CONNECTION_STATE, header::SIGNATURE, header::TIME]
    {
        assert!(!headers.contains_key(name), "{name}");
    }
    assert_eq!(EventContext::from_headers(&headers).unwrap().user_id, None);
}

#[test]
fn a_value_that_no_header_can_carry_is_an_error() {
    let broken = EventContext { user_id: Some("a\r\nEvil: 1".into()), ..context() };
    assert_eq!(broken.write_headers(&mut HeaderMap::new()), Err(InvalidHeader(header::USER_ID)));
}

#[test]
fn broken_headers_are_named() {
    let cases: [(&'static str, Option<&[u8]>); 11] = [
        (header::TYPE, None),
        (header::TYPE, Some(b"azure.webpubsub.sys.other")),
        (header::TYPE, Some(b"azure.webpubsub.user.1 2")),
        (header::HUB, None),
        (header::HUB, Some(b"1bad")),
        (header::CONNECTION_ID, Some(b"")),
        (header::ID, None),
        (header::ID, Some(b"")),
        (header::TIME, Some(b"yesterday")),
        (header::SPEC_VERSION, Some(b"0.3")),
        (header::USER_ID, Some(b"\xff")),
    ];
    for (name, value) in cases {
        let mut headers = written(&context());
        match value {
            None => drop(headers.remove(name)),
            Some(value) => drop(headers.insert(name, HeaderValue::from_bytes(value).unwrap())),
        }
        assert_eq!(EventContext::from_headers(&headers), Err(InvalidHeader(name)), "{value:?}");
    }
}

#[test]
fn what_stands_twice_or_contradicts_itself_is_invalid() {
    for name in
        [header::CONNECTION_ID, header::USER_ID, header::SIGNATURE, header::ID, header::TYPE, header::HUB]
    {
        let mut headers = written(&context());
        let value = headers.get(name).cloned().unwrap_or(HeaderValue::from_static("x"));
        headers.append(name, value.clone());
        headers.append(name, value);
        assert_eq!(EventContext::from_headers(&headers), Err(InvalidHeader(name)), "{name}");
    }
    let long = "9".repeat(2_000);
    for (name, value) in [
        (header::SOURCE, "/hubs/other/client/c"),
        (header::EVENT_NAME, "another"),
        (header::AWPS_VERSION, "2.0"),
        (header::ID, long.as_str()),
        (header::CONNECTION_ID, &long),
        (header::SIGNATURE, &long),
    ] {
        let mut headers = written(&context());
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        assert_eq!(EventContext::from_headers(&headers), Err(InvalidHeader(name)), "{name}");
    }
}

#[test]
fn types_of_events() {
    for (text, kind) in [
        ("azure.webpubsub.sys.connect", EventKind::Connect),
        ("azure.webpubsub.sys.connected", EventKind::Connected),
        ("azure.webpubsub.sys.disconnected", EventKind::Disconnected),
        ("azure.webpubsub.user.connect", EventKind::User("connect".into())),
        ("azure.webpubsub.user.a.b", EventKind::User("a.b".into())),
    ] {
        assert_eq!(kind.ce_type(), text);
        assert_eq!(EventKind::from_ce_type(text), Some(kind), "{text}");
    }
    assert_eq!(EventKind::from_ce_type("Azure.WebPubSub.Sys.Connect"), Some(EventKind::Connect));
    for bad in ["", "azure.webpubsub.", "azure.webpubsub.gp.joined", "azure.webpubsub.user.", "é"] {
        assert_eq!(EventKind::from_ce_type(bad), None, "{bad}");
    }
}

#[test]
fn signatures() {
    let keys = ["key", "second"].map(|key| AccessKey::new(key).unwrap());
    let text = "The quick brown fox jumps over the lazy dog";
    let known = "sha256=f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8";
    assert_eq!(signature(&keys[..1], text), known, "the well-known test vector");

    let both = signature(&keys, text);
    assert!(both.starts_with(known) && both.split(',').count() == 2);
    for good in [known, &both, &format!("sha256=00, {known}"), &known.to_uppercase().replace("SHA", "sha")] {
        assert!(verify_signature(&keys[..1], text, good), "{good}");
    }
    assert!(verify_signature(&keys[1..], text, &both));
    assert!(!verify_signature(&keys[1..], text, known));
    assert!(!verify_signature(&keys, "other", &both));
    assert!(!verify_signature(&[], text, &both));
    for bad in ["", "sha256=", "sha256=zz", &known[7..], &known[..60], "sha1=f7bc", ",,"] {
        assert!(!verify_signature(&keys, text, bad), "{bad}");
    }
}

#[test]
fn connection_state() {
    assert_eq!(encode_state(&json!({"n": 1})), "eyJuIjoxfQ==");
    assert_eq!(decode_state("eyJuIjoxfQ=="), Some(json!({"n": 1})));
    for foreign in ["", "%", "AQID", "plain text"] {
        assert_eq!(decode_state(foreign), None, "{foreign}");
    }
}

proptest! {
    #[test]
    fn a_context_is_read_as_it_was_written(
        event in "[a-zA-Z][a-zA-Z0-9_.-]{0,20}",
        id in "[0-9a-f]{1,32}",
        user in proptest::option::of("[ -~é☕]{1,30}"),
        count: u64,
        secs in 0..4_000_000_000_u64,
        state in proptest::option::of("[!-~]{1,30}"),
    ) {
        let context = EventContext {
            kind: EventKind::User(event),
            connection_id: id,
            user_id: user,
            id: count.to_string(),
            time: Some(secs),
            state,
            ..context()
        };
        prop_assert_eq!(EventContext::from_headers(&written(&context)), Ok(context));
    }
}
