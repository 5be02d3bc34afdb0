//! What the transcripts do not show of an HTTP event handler: its answers to user events, repeats, validation.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::response::Response;
use serde_json::{Value, json};

use crate::client::{Client, Knock, Opened, open};
use crate::server::Server;
use crate::tokens::{client_claims, sign};
use crate::upstream::{Handler, Seen, answer, consent};

async fn knock(server: &Server) -> Opened {
    let mut claims = client_claims("up");
    claims["sub"] = json!("ann");
    let knock = Knock {
        target: format!("/client/hubs/up?access_token={}", sign(&claims)),
        subprotocols: vec!["json.webpubsub.azure.v1".to_owned()],
        headers: Vec::new(),
    };
    open(server.address, &knock).await
}

/// A hub whose events go to a handler that answers so (and 204 to system events, and consents to be asked).
async fn handled_by(
    answers: impl Fn(&Seen) -> Response + Send + Sync + 'static,
) -> (Server, Handler, Client) {
    let handler = Handler::start(Arc::new(move |seen: &Seen| match seen.header("ce-eventname") {
        "" => consent(),
        "connect" | "connected" | "disconnected" => answer(204, &[], ""),
        _ => answers(seen),
    }))
    .await;
    let server = Server::start().await;
    handler.handle(&server, "/{hub}/{event}?code=1%202");
    let Opened::In(mut client) = knock(&server).await else {
        panic!("the client was not let in");
    };
    client.next().await;
    (server, handler, client)
}

async fn text_frame(client: &mut Client) -> String {
    client.next().await.expect("still there")["got"].as_str().expect("a text frame").to_owned()
}

const FAILED: &str = r#"{"type":"ack","ackId":1,"success":false,"error":{"name":"InternalServerError","message":"Internal server error"}}"#;

#[tokio::test]
async fn answers_become_messages_before_the_ack() {
    let (_server, handler, mut client) = handled_by(|seen| match seen.header("ce-eventname") {
        "json" => answer(200, &[("content-type", "application/json; charset=utf-8")], r#" {"b" : 1}"#),
        "text" => answer(201, &[("content-type", "text/plain")], "hi ☕"),
        "bytes" => answer(200, &[("content-type", "application/octet-stream")], "\u{1}"),
        "untyped" => answer(200, &[], "\u{1}"),
        "metadata" => answer(204, &[("X-WebPubSub-Metadata-Trace", "7")], ""),
        "empty" => answer(200, &[("content-type", "application/json")], ""),
        name => panic!("no answer for {name}"),
    })
    .await;
    let table = [
        ("json", Some(r#"{"type":"message","from":"server","dataType":"json","data":{"b" : 1}}"#)),
        ("text", Some(r#"{"type":"message","from":"server","dataType":"text","data":"hi ☕"}"#)),
        ("bytes", Some(r#"{"type":"message","from":"server","dataType":"binary","data":"AQ=="}"#)),
        ("untyped", Some(r#"{"type":"message","from":"server","dataType":"binary","data":"AQ=="}"#)),
        (
            "metadata",
            Some(
                r#"{"type":"message","from":"server","dataType":"text","data":"","metadata":{"trace":"7"}}"#,
            ),
        ),
        ("empty", None),
    ];
    for (ack, (event, message)) in (1..).zip(table) {
        let metadata = r#""metadata":{"k":"v"}"#;
        client
            .text(&format!(
                r#"{{"type":"event","event":"{event}","ackId":{ack},"data":{{"a": 1}},{metadata}}}"#
            ))
            .await;
        if let Some(message) = message {
            assert_eq!(text_frame(&mut client).await, message, "{event}");
        }
        assert_eq!(
            text_frame(&mut client).await,
            format!(r#"{{"type":"ack","ackId":{ack},"success":true}}"#)
        );
    }
    let seen = handler.seen().pop().expect("requests");
    assert_eq!(seen.target, "/up/empty?code=1%202");
    assert_eq!((seen.header("x-webpubsub-metadata-k"), &seen.body[..]), ("v", &br#"{"a": 1}"#[..]));
}

#[tokio::test]
async fn an_invocation_is_an_event_with_a_response() {
    let (_server, handler, mut client) = handled_by(|seen| match seen.header("ce-eventname") {
        "sum" => answer(200, &[("content-type", "application/json")], "3"),
        _ => answer(400, &[], ""),
    })
    .await;
    client.text(r#"{"type":"invoke","invocationId":"i","target":"event","event":"sum","data":[1,2]}"#).await;
    assert_eq!(
        text_frame(&mut client).await,
        r#"{"type":"invokeResponse","invocationId":"i","success":true,"dataType":"json","data":3}"#
    );
    client.text(r#"{"type":"invoke","invocationId":"j","target":"event","event":"other","data":1}"#).await;
    let refused: Value = serde_json::from_str(&text_frame(&mut client).await).expect("JSON");
    assert_eq!((&refused["invocationId"], &refused["success"]), (&json!("j"), &json!(false)));
    let sum =
        handler.seen().into_iter().find(|seen| seen.header("ce-eventname") == "sum").expect("the request");
    assert_eq!(&sum.body[..], b"[1,2]");
}

#[tokio::test]
async fn the_state_goes_both_ways() {
    let (_server, handler, mut client) = handled_by(|seen| match seen.header("ce-eventname") {
        "set" => answer(204, &[("ce-connectionState", "one"), ("ce-connectionState", "two")], ""),
        _ => answer(204, &[], ""),
    })
    .await;
    for (ack, event) in (1..).zip(["get", "set", "get"]) {
        client.text(&format!(r#"{{"type":"event","event":"{event}","ackId":{ack},"data":1}}"#)).await;
        text_frame(&mut client).await;
    }
    let states: Vec<String> =
        handler.seen().iter().skip(2).map(|seen| seen.header("ce-connectionstate").to_owned()).collect();
    assert_eq!(states, ["", "", "", "two"]);
}

#[tokio::test]
async fn refusals_and_nonsense_fail_the_event_and_are_not_repeated() {
    let answers: [fn() -> Response; 6] = [
        || answer(400, &[], ""),
        || answer(429, &[], ""),
        || answer(302, &[("location", "/elsewhere")], ""),
        || answer(200, &[("content-type", "image/png")], "x"),
        || answer(200, &[("content-type", "application/json")], "{bad"),
        || answer(200, &[("content-type", "text/plain")], &"x".repeat(16 * 1024 * 1024 + 1)),
    ];
    for (number, refusal) in answers.into_iter().enumerate() {
        let (_server, handler, mut client) = handled_by(move |_| refusal()).await;
        client.text(r#"{"type":"event","event":"e","ackId":1,"data":1}"#).await;
        assert_eq!(text_frame(&mut client).await, FAILED, "answer {number}");
        let asked = handler.seen().iter().filter(|seen| seen.header("ce-eventname") == "e").count();
        assert_eq!(asked, 1, "answer {number}");
    }
}

/// Takes one second: that is how long the first pause is.
#[tokio::test]
async fn a_repeat_is_the_same_request() {
    let tries = AtomicUsize::new(0);
    let (_server, handler, mut client) = handled_by(move |_| match tries.fetch_add(1, Ordering::SeqCst) {
        0 => answer(503, &[], ""),
        _ => answer(204, &[], ""),
    })
    .await;
    client.text(r#"{"type":"event","event":"e","ackId":1,"data":1}"#).await;
    assert_eq!(text_frame(&mut client).await, r#"{"type":"ack","ackId":1,"success":true}"#);
    let tries: Vec<Seen> =
        handler.seen().into_iter().filter(|seen| seen.header("ce-eventname") == "e").collect();
    assert_eq!((tries.len(), tries[0].header("ce-id")), (2, "2"));
    assert_eq!((&tries[0].headers, &tries[0].body), (&tries[1].headers, &tries[1].body));
}

#[tokio::test]
async fn a_handler_is_asked_before_it_gets_events() {
    // By OPTIONS; by GET where OPTIONS is not known; and the port may be part of the consent.
    for (options_status, allowed) in [(200, "127.0.0.1"), (404, "other.example, 127.0.0.1:8080")] {
        let handler = Handler::start(Arc::new(move |seen: &Seen| match seen.method.as_str() {
            "OPTIONS" => answer(options_status, &[("webhook-allowed-origin", "127.0.0.1")], ""),
            "GET" => answer(200, &[("webhook-allowed-origin", allowed)], ""),
            _ => answer(204, &[], ""),
        }))
        .await;
        let server = Server::start().await;
        handler.handle(&server, "/x/{event}");
        assert!(matches!(knock(&server).await, Opened::In(_)), "{allowed}");
        let first = handler.seen().remove(0);
        assert_eq!((first.target.as_str(), first.header("ce-awpsversion")), ("/x/validate", "1.0"));
        assert_eq!(first.header("webhook-request-origin"), "127.0.0.1");
    }
}

#[tokio::test]
async fn a_handler_that_does_not_consent_gets_nothing_and_is_left_alone_for_a_while() {
    for refusal in [(403, "*"), (200, "other.example"), (200, ""), (404, "*")] {
        let handler = Handler::start(Arc::new(move |_: &Seen| {
            answer(refusal.0, &[("webhook-allowed-origin", refusal.1)], "")
        }))
        .await;
        let server = Server::start().await;
        handler.handle(&server, "/x/{event}");
        for _ in 0..3 {
            let Opened::Refused { status, .. } = knock(&server).await else {
                panic!("the client was let in by {refusal:?}");
            };
            assert_eq!(status, 500);
        }
        let methods: Vec<String> = handler.seen().into_iter().map(|seen| seen.method).collect();
        let expected: &[&str] = if refusal.0 == 404 { &["OPTIONS", "GET"] } else { &["OPTIONS"] };
        assert_eq!(methods, expected, "{refusal:?}");
    }
}
