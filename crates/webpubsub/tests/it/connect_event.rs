//! Bodies of system events.

use proptest::prelude::*;
use webpubsub::connect_event::{
    ClientCertificate, ConnectRequest, ConnectResponse, DisconnectedRequest, InvalidBody, LONG_ROLE_CLAIM,
    LONG_USER_CLAIM, event_claims,
};
use webpubsub::multimap::MultiMap;
use webpubsub::token::ClientClaims;

use crate::transcripts;

#[test]
fn every_recorded_body_is_read_and_written_again() {
    let mut bodies = [0, 0];
    for request in transcripts::handler_requests() {
        let body = request["body"].as_str().unwrap();
        let written = match request["headers"]["ce-type"].as_str() {
            Some("azure.webpubsub.sys.connect") => {
                bodies[0] += 1;
                ConnectRequest::parse(body.as_bytes()).unwrap().encode().unwrap()
            }
            Some("azure.webpubsub.sys.disconnected") => {
                bodies[1] += 1;
                DisconnectedRequest::parse(body.as_bytes()).unwrap().encode().unwrap()
            }
            _ => continue,
        };
        assert_eq!(std::str::from_utf8(&written), Ok(body));
    }
    assert_eq!(bodies, [24, 16]);
}

#[test]
fn claims_come_under_their_long_names_and_their_own() {
    let all = [("exp", "1"), ("sub", "ann"), ("role", "r1"), ("role", "r2"), ("extra", "x")];
    let claims = ClientClaims { all: all.into_iter().collect(), ..ClientClaims::default() };
    let theirs = event_claims(&claims);
    let names: Vec<_> = theirs.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["exp", LONG_USER_CLAIM, "sub", LONG_ROLE_CLAIM, "role", "extra"]);
    assert_eq!(theirs.get(LONG_ROLE_CLAIM), ["r1", "r2"]);
    assert_eq!(theirs.get("role"), ["r1", "r2"]);
    assert_eq!(theirs.first(LONG_USER_CLAIM), Some("ann"));
}

#[test]
fn answers_that_change_something() {
    let parse = |body: &str| ConnectResponse::parse(body.as_bytes()).unwrap();
    for nothing in ["", " ", "null", "{}", r#"{"userId":null,"more":[1]}"#] {
        assert_eq!(parse(nothing), ConnectResponse::default(), "{nothing}");
    }
    assert_eq!(parse(r#"{"userId":""}"#).user_id.as_deref(), Some(""));
    assert_eq!(parse(r#"{"roles":[]}"#).roles, Some(vec![]));
    let full = r#"{"userId":"from handler","groups":["h"],"roles":["webpubsub.joinLeaveGroup"],"subprotocol":"two"}"#;
    assert_eq!(String::from_utf8(parse(full).encode().unwrap()).unwrap(), full);
}

#[test]
fn answers_that_are_refused() {
    // The names are those of the transcript, where each of these answers was a 500 for the client.
    for (name, body) in [
        ("not json", "hello"),
        ("not json", "{"),
        ("array", "[]"),
        ("array", r#"["ann",[],[],"x"]"#),
        ("wrong types", r#"{"userId":5}"#),
        ("wrong types", r#"{"groups":"g"}"#),
        ("wrong types", r#"{"roles":[1]}"#),
        ("wrong types", r#"{"subprotocol":{}}"#),
    ] {
        assert_eq!(ConnectResponse::parse(body.as_bytes()), Err(InvalidBody::Form), "{name}: {body}");
        let scenario = transcripts::scenario("handler-connect");
        assert_eq!(scenario["clients"][name][0]["refused"], 500);
    }
    for body in [r#"{"groups":["g",""]}"#, r#"{"groups":["  "]}"#] {
        assert_eq!(ConnectResponse::parse(body.as_bytes()), Err(InvalidBody::Group), "bad group: {body}");
    }
    assert_eq!(ConnectResponse::parse(b"\xff"), Err(InvalidBody::Form));
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(ConnectResponse::parse(deep.as_bytes()), Err(InvalidBody::Form));
    assert_eq!(ConnectRequest::parse(deep.as_bytes()), Err(InvalidBody::Form));
}

#[test]
fn many_names_take_no_square_of_time() {
    // Hundreds of billions of comparisons if each name were looked for among the former ones.
    let map: MultiMap = (0..500_000).map(|n| (n.to_string(), "x")).collect();
    assert_eq!(map.iter().len(), 500_000);
}

fn lists() -> impl Strategy<Value = MultiMap> {
    proptest::collection::vec(any::<(String, String)>(), 0..6).prop_map(|pairs| pairs.into_iter().collect())
}

proptest! {
    #[test]
    fn a_request_is_read_as_it_was_written(
        (claims, query, headers) in (lists(), lists(), lists()),
        subprotocols: Vec<String>,
        certificates: Vec<(String, String)>,
    ) {
        let client_certificates = certificates
            .into_iter()
            .map(|(thumbprint, content)| ClientCertificate { thumbprint, content })
            .collect();
        let request = ConnectRequest { claims, query, headers, subprotocols, client_certificates };
        prop_assert_eq!(ConnectRequest::parse(&request.encode().unwrap()), Ok(request));
    }

    #[test]
    fn an_answer_is_read_as_it_was_written(
        user_id: Option<String>,
        groups in proptest::option::of(proptest::collection::vec("[a-z☕]{1,9}", 0..4)),
        roles: Option<Vec<String>>,
        subprotocol: Option<String>,
    ) {
        let answer = ConnectResponse { user_id, groups, roles, subprotocol };
        prop_assert_eq!(ConnectResponse::parse(&answer.encode().unwrap()), Ok(answer));
    }
}
