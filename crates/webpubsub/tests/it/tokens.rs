//! Tokens. The cases of clients are those of `connect-refusals.json`, by the same names.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use webpubsub::key::AccessKey;
use webpubsub::names::HubName;
use webpubsub::token::{
    ClientToken, TokenError, client_audience, client_url, mint_rest_token, reconnection_token,
    verify_client_token, verify_reconnection_token, verify_rest_token,
};

use crate::transcripts;

const NOW: u64 = 1_790_000_000;
const KEY: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH";
const AUDIENCE: &str = "http://127.0.0.1:8080/client/hubs/plain";

fn key(text: &str) -> AccessKey {
    AccessKey::new(text).unwrap()
}

fn plain() -> HubName {
    HubName::new("plain").unwrap()
}

fn sign(algorithm: Algorithm, secret: &str, claims: &Value) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(algorithm), claims, &key).unwrap()
}

fn hs256(claims: &Value) -> String {
    sign(Algorithm::HS256, KEY, claims)
}

/// Claims of a good token with some replaced, or taken out by null.
fn claims(other: &Value) -> Value {
    let mut claims = json!({"aud": AUDIENCE, "exp": NOW + 3600});
    for (name, value) in other.as_object().unwrap() {
        claims[name] = value.clone();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        }
    }
    claims
}

#[test]
fn client_tokens_are_refused_as_in_the_transcript() {
    let good = claims(&json!({}));
    let unsigned = {
        let token = hs256(&good);
        let body = token.split('.').nth(1).unwrap();
        // {"alg":"none","typ":"JWT"}
        format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{body}.")
    };
    let other = |claim: &str, value: Value| hs256(&claims(&json!({claim: value})));
    let cases = [
        ("no token", String::new(), Some(TokenError::Invalid)),
        ("junk token", "abc.def.ghi".into(), Some(TokenError::Invalid)),
        ("wrong key", sign(Algorithm::HS256, "other", &good), Some(TokenError::Invalid)),
        ("expired", other("exp", json!(NOW - 3600)), Some(TokenError::Expired)),
        ("expired within skew", other("exp", json!(NOW - 1)), Some(TokenError::Expired)),
        ("no exp", other("exp", Value::Null), Some(TokenError::NoExpiry)),
        ("not yet", other("nbf", json!(NOW + 3600)), Some(TokenError::NotYetValid)),
        ("other hub", other("aud", json!("http://h/client/hubs/other")), Some(TokenError::WrongAudience)),
        ("no audience", other("aud", Value::Null), Some(TokenError::WrongAudience)),
        (
            "audience with query",
            other("aud", json!(format!("{AUDIENCE}?a=1"))),
            Some(TokenError::WrongAudience),
        ),
        ("audience in capitals", other("aud", json!(AUDIENCE.to_uppercase())), None),
        (
            "ws audience",
            other("aud", json!("ws://127.0.0.1:8080/client/hubs/plain")),
            Some(TokenError::WrongAudience),
        ),
        ("alg none", unsigned, Some(TokenError::Invalid)),
        ("HS512", sign(Algorithm::HS512, KEY, &good), Some(TokenError::Invalid)),
        ("token in header", hs256(&good), None),
        ("bad group claim", other("webpubsub.group", json!([" "])), Some(TokenError::InvalidGroup)),
        ("groups by claim", other("webpubsub.group", json!(["a", "b"])), None),
        ("one group by claim", other("webpubsub.group", json!("a")), None),
    ];
    let scenario = transcripts::scenario("connect-refusals");
    for (name, token, error) in cases {
        let result = verify_client_token(&[key(KEY)], &token, &plain(), NOW);
        assert_eq!(result.err(), error, "{name}");
        let there = &scenario["clients"][name][0]["refused"];
        let status = error.map(|error| if error == TokenError::InvalidGroup { 400 } else { 401 });
        assert_eq!(there.as_u64(), status, "{name}");
    }
}

#[test]
fn audiences_of_clients() {
    let verify = |audience: Value| {
        let token = hs256(&claims(&json!({"aud": audience})));
        verify_client_token(&[key(KEY)], &token, &plain(), NOW).is_ok()
    };
    for good in [
        json!("https://chat.example/client/hubs/plain"),
        json!("http://localhost:1/Client/Hubs/PLAIN"),
        json!("HTTPS://h/client/hubs/pl%61in"),
        json!(["other", "http://h/client/hubs/plain"]),
    ] {
        assert!(verify(good.clone()), "{good}");
    }
    for bad in [
        json!("http:///client/hubs/plain"),
        json!("/client/hubs/plain"),
        json!("http://h/client/hubs/plain/"),
        json!("http://h/x/client/hubs/plain"),
        json!("http://h/client/hubs/plain#f"),
        json!("wss://h/client/hubs/plain"),
        json!("ftp://h/client/hubs/plain"),
        json!("http://h/api/hubs/plain"),
        json!([]),
        json!({"a": "http://h/client/hubs/plain"}),
    ] {
        assert!(!verify(bad.clone()), "{bad}");
    }
}

#[test]
fn times_are_numbers_and_end_on_the_second() {
    let verify = |claim: &str, value: Value| {
        verify_client_token(&[key(KEY)], &hs256(&claims(&json!({claim: value}))), &plain(), NOW).map(|_| ())
    };
    assert_eq!(verify("exp", json!(NOW)), Err(TokenError::Expired));
    assert_eq!(verify("exp", json!(NOW + 1)), Ok(()));
    assert_eq!(verify("exp", json!((NOW + 1) as f64 + 0.5)), Ok(()));
    assert_eq!(verify("exp", json!(1e300)), Ok(()));
    assert_eq!(verify("exp", json!("soon")), Err(TokenError::Invalid));
    assert_eq!(verify("exp", json!(-1)), Err(TokenError::Invalid));
    assert_eq!(verify("nbf", json!(NOW)), Ok(()));
    assert_eq!(verify("nbf", json!(NOW + 1)), Err(TokenError::NotYetValid));
}

#[test]
fn what_a_client_token_says_comes_out_again() {
    let hub = plain();
    let token = ClientToken {
        user_id: Some("Ann \"ü\"".into()),
        roles: vec!["webpubsub.joinLeaveGroup".into()],
        groups: vec!["lobby".into(), "☕".into()],
        ..ClientToken::new("http://127.0.0.1:8080/", &hub, NOW, 60)
    };
    assert_eq!(token.audience, AUDIENCE);
    let jwt = token.sign(&key("second")).unwrap();
    // Either key of a hub is good.
    let claims = verify_client_token(&[key(KEY), key("second")], &jwt, &hub, NOW).unwrap();
    assert_eq!(claims.user_id, token.user_id);
    assert_eq!(claims.roles, token.roles);
    assert_eq!(claims.groups, token.groups);
    let names: Vec<_> = claims.all.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["aud", "iat", "exp", "sub", "role", "webpubsub.group"]);
    assert_eq!(claims.all.first("exp"), Some("1790000060"));
    assert_eq!(verify_client_token(&[], &jwt, &hub, NOW), Err(TokenError::Invalid));

    let anonymous = ClientToken::new("http://h", &hub, NOW, 60).sign(&key(KEY)).unwrap();
    let claims = verify_client_token(&[key(KEY)], &anonymous, &hub, NOW).unwrap();
    assert_eq!((claims.user_id, claims.roles, claims.groups), (None, vec![], vec![]));
}

#[test]
fn other_claims_are_kept_in_order() {
    let raw = format!(
        r#"{{"z":[1,"two",true],"exp":{},"aud":"{AUDIENCE}","role":"one","a":{{"b":[1]}},"n":null,"e":[],"sub":""}}"#,
        NOW + 1
    );
    let claims: Box<serde_json::value::RawValue> = serde_json::from_str(&raw).unwrap();
    let signing = EncodingKey::from_secret(KEY.as_bytes());
    let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &signing).unwrap();
    let claims = verify_client_token(&[key(KEY)], &token, &plain(), NOW).unwrap();
    let names: Vec<_> = claims.all.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["z", "exp", "aud", "role", "a", "n", "e", "sub"]);
    assert_eq!(claims.all.get("z"), ["1", "two", "true"]);
    assert_eq!(claims.all.get("a"), [r#"{"b":[1]}"#]);
    assert_eq!(claims.all.get("n"), [""]);
    assert!(claims.all.get("e").is_empty());
    assert_eq!(claims.user_id.as_deref(), Some(""), "an empty user id is one");
    assert_eq!(claims.roles, ["one"]);
}

#[test]
fn the_long_claim_names_are_read_where_the_short_ones_are_missing() {
    let long = claims(&json!({
        "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier": "long",
        "http://schemas.microsoft.com/ws/2008/06/identity/claims/role": ["r"],
    }));
    let claims = verify_client_token(&[key(KEY)], &hs256(&long), &plain(), NOW).unwrap();
    assert_eq!((claims.user_id.as_deref(), claims.roles), (Some("long"), vec!["r".to_owned()]));
}

#[test]
fn urls() {
    let hub = HubName::new("Chat").unwrap();
    assert_eq!(client_audience("https://a.example", &hub), "https://a.example/client/hubs/chat");
    assert_eq!(
        client_url("https://a.example/", &hub, "t"),
        "wss://a.example/client/hubs/chat?access_token=t"
    );
    assert_eq!(client_url("HTTP://h:1", &hub, "t"), "ws://h:1/client/hubs/chat?access_token=t");
    assert_eq!(client_url("ws://h:1", &hub, "t"), "ws://h:1/client/hubs/chat?access_token=t");
}

#[test]
fn rest_tokens() {
    const URL: &str = "http://127.0.0.1:8080/api/hubs/plain/groups/a%20b/:send?api-version=2024-12-01";
    let call = "/api/hubs/plain/groups/a%20b/:send?api-version=2024-12-01";
    let verify = |audience: Value, call: &str| {
        let token = hs256(&json!({"aud": audience, "exp": NOW + 60}));
        verify_rest_token(&[key("other"), key(KEY)], &token, call, NOW)
    };
    let minted = mint_rest_token(&key(KEY), URL, NOW, 60).unwrap();
    assert_eq!(verify_rest_token(&[key(KEY)], &minted, call, NOW), Ok(()));
    assert_eq!(verify_rest_token(&[key(KEY)], &minted, call, NOW + 60), Err(TokenError::Expired));
    assert_eq!(verify_rest_token(&[key("other")], &minted, call, NOW), Err(TokenError::Invalid));
    for good in [
        "http://127.0.0.1:8080/api/hubs/plain/groups/a%20b/:send",
        "https://other.example/api/hubs/plain/groups/a%20b/:send/",
        "http://h/api/hubs/plain/groups/a b/:send?api-version=2024-12-01",
        "http://h/api/hubs/plain/groups/a%20b/%3Asend",
        "wss://h/api/hubs/plain",
        "WS://h/api/hubs/plain/",
        "http://h/",
        "http://h",
    ] {
        assert_eq!(verify(json!(good), call), Ok(()), "{good}");
    }
    assert_eq!(verify(json!(["x", URL]), call), Ok(()));
    for bad in [
        "http://h/api/hubs/plai",
        "http://h/api/hubs/plain2",
        "http://h/api/hubs/plain/groups/a%20b/:send/more",
        "http://h/api/hubs/plain/groups/a%20b/:send?api-version=2021-10-01",
        "http://h/api/hubs/plain?api-version=2024-12-01",
        "http://h/client/hubs/plain",
        "ftp://h/api/hubs/plain",
        "http:///api/hubs/plain",
        "/api/hubs/plain",
        "",
    ] {
        assert_eq!(verify(json!(bad), call), Err(TokenError::WrongAudience), "{bad}");
    }
    // An escaped slash is part of a name and ends no segment.
    let nested = "/api/hubs/plain/groups/a%2Fb/:send";
    assert_eq!(verify(json!("http://h/api/hubs/plain/groups/a"), nested), Err(TokenError::WrongAudience));
    assert_eq!(verify(json!("http://h/api/hubs/plain/groups/a%2fb"), nested), Ok(()));
    let no_exp = hs256(&json!({"aud": URL}));
    assert_eq!(verify_rest_token(&[key(KEY)], &no_exp, call, NOW), Err(TokenError::NoExpiry));
}

#[test]
fn a_client_token_opens_no_rest_call() {
    let token = ClientToken::new("http://h", &plain(), NOW, 60).sign(&key(KEY)).unwrap();
    let call = "/api/hubs/plain/:send";
    assert_eq!(verify_rest_token(&[key(KEY)], &token, call, NOW), Err(TokenError::WrongAudience));
}

#[test]
fn reconnection_tokens_are_bound_to_connection_and_hub() {
    let hub = plain();
    let token = reconnection_token(&key(KEY), &hub, "0f9c");
    let keys = [key("new"), key(KEY)];
    assert!(verify_reconnection_token(&keys, &token, &hub, "0f9c"));
    assert!(!verify_reconnection_token(&keys, &token, &hub, "0f9d"));
    assert!(!verify_reconnection_token(&keys, &token, &HubName::new("other").unwrap(), "0f9c"));
    assert!(!verify_reconnection_token(&[key("new")], &token, &hub, "0f9c"));
    // Where the hub's name ends and the id begins cannot be moved.
    let ab = reconnection_token(&key(KEY), &HubName::new("ab").unwrap(), "c");
    assert!(!verify_reconnection_token(&keys, &ab, &HubName::new("a").unwrap(), "bc"));
    for bad in ["", "x", "====", &token[1..], &format!("{token}="), &format!("{token}AA")] {
        assert!(!verify_reconnection_token(&keys, bad, &hub, "0f9c"), "{bad}");
    }
}
