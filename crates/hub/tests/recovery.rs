//! Reliable clients that lose their sockets.
#![allow(clippy::expect_used, reason = "this is test code; clippy only knows test functions")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use hub::{Hub, OutMessage, Selection, Target};
use proptest::prelude::*;
use support::{Client, JSON, RELIABLE, Recorder, Server, eventually, name, options};
use webpubsub::payload::Payload;

fn send(hub: &Hub, text: &str, ttl: Option<Duration>) {
    let message = OutMessage::new(Payload::Text(text.into()));
    hub.send(&name("chat"), Target::All, &message, &Selection { ttl, ..Selection::default() });
}

fn message(text: &str, sequence_id: u64) -> String {
    format!(
        r#"{{"type":"message","from":"server","dataType":"text","data":"{text}","sequenceId":{sequence_id}}}"#
    )
}

#[tokio::test]
async fn what_was_not_acknowledged_comes_again() {
    let server = Server::start(options()).await;
    let recorder = Arc::new(Recorder::default());
    server.hub.set_handler(None, recorder.clone());
    let mut client = server.client("ann", Some(RELIABLE)).await;
    client.join("g").await;
    for text in ["m1", "m2", "m3"] {
        send(&server.hub, text, None);
    }
    for (text, id) in [("m1", 1), ("m2", 2), ("m3", 3)] {
        assert_eq!(client.text().await, message(text, id));
    }
    client.send(r#"{"type":"sequenceAck","sequenceId":2}"#).await;
    client.is_quiet().await;
    client.close(1001, "").await;
    assert_eq!(client.closed().await.0, 1001, "answered");
    send(&server.hub, "m4", None);
    let mut again = server.recover(&client).await;
    assert_eq!(again.response.headers()["sec-websocket-protocol"], RELIABLE);
    assert_eq!(again.text().await, message("m3", 3));
    assert_eq!(again.text().await, message("m4", 4));
    // Groups, ackIds and roles survive.
    let duplicate = r#"{"type":"joinGroup","group":"g","ackId":9000}"#;
    assert!(again.ask(duplicate).await.contains(r#""name":"Duplicate""#));
    server.members("g", 1).await;
    send(&server.hub, "m5", None);
    assert_eq!(again.text().await, message("m5", 5));
    recorder.hears(&["0 connect", "1 connected"]).await;
}

#[tokio::test]
async fn a_new_socket_takes_over_from_a_living_one() {
    let server = Server::start(options()).await;
    let mut client = server.client("ann", Some(RELIABLE)).await;
    send(&server.hub, "m1", None);
    client.text().await;
    let mut again = server.recover(&client).await;
    assert_eq!(again.text().await, message("m1", 1));
    assert!(client.next().await.is_none(), "the old socket is dropped");
    again.is_quiet().await;
    assert_eq!(server.hub.connection_count(), 1);
}

#[tokio::test]
async fn what_cannot_be_recovered_is_told_by_1008() {
    let server = Server::start(options()).await;
    let mut reliable = server.client("ann", Some(RELIABLE)).await;
    let plain = server.client("bob", Some(JSON)).await;
    let refused = (1008, "The connection could not be recovered.".to_owned());
    let mut wrong_token = server.recovery_url(&reliable);
    wrong_token.pop();
    let table = [
        wrong_token,
        server.recovery_url(&reliable).replace("hubs/chat", "hubs/other"),
        server.recovery_url(&reliable).replace(&reliable.id, &plain.id),
    ];
    for url in table {
        let mut again = Client::open(&url, Some(RELIABLE)).await.expect("upgraded");
        assert_eq!(again.closed().await, refused, "{url}");
    }
    reliable.is_quiet().await;
    reliable.close(1000, "").await;
    assert_eq!(reliable.closed().await.0, 1000);
    let mut again = server.recover(&reliable).await;
    assert_eq!(again.closed().await, refused, "a close with 1000 is final");
}

#[tokio::test]
async fn the_window_ends() {
    let mut options = options();
    options.recovery_window = Duration::from_millis(100);
    let server = Server::start(options).await;
    let recorder = Arc::new(Recorder::default());
    server.hub.set_handler(None, recorder.clone());
    let client = server.client("ann", Some(RELIABLE)).await;
    let url = server.recovery_url(&client);
    drop(client);
    recorder
        .hears(&["0 connect", "1 connected", "2 disconnected: The connection recovery timeout expired."])
        .await;
    assert_eq!(server.hub.connection_count(), 0);
    let mut late = Client::open(&url, Some(RELIABLE)).await.expect("upgraded");
    assert_eq!(late.closed().await.0, 1008);
}

#[tokio::test]
async fn too_much_unacknowledged_ends_the_connection() {
    let mut options = options();
    options.reliable_messages = 3;
    let server = Server::start(options).await;
    let mut client = server.client("ann", Some(RELIABLE)).await;
    for text in ["1", "2", "3", "4"] {
        send(&server.hub, text, None);
    }
    for _ in 0..3 {
        client.text().await;
    }
    assert_eq!(client.closed().await, (1008, "The reliable message buffer is full.".to_owned()));
    eventually(|| server.hub.connection_count() == 0).await;

    // The same while the client is away.
    let client = server.client("bob", Some(RELIABLE)).await;
    let url = server.recovery_url(&client);
    drop(client);
    for text in ["1", "2", "3", "4"] {
        send(&server.hub, text, None);
    }
    eventually(|| server.hub.connection_count() == 0).await;
    let mut again = Client::open(&url, Some(RELIABLE)).await.expect("upgraded");
    assert_eq!(again.closed().await.0, 1008);
}

#[tokio::test]
async fn a_message_waits_no_longer_than_it_may() {
    let server = Server::start(options()).await;
    let mut client = server.client("ann", Some(RELIABLE)).await;
    client.close(1001, "").await;
    client.closed().await;
    send(&server.hub, "stays", None);
    send(&server.hub, "goes", Some(Duration::from_millis(20)));
    send(&server.hub, "zero sets no limit", Some(Duration::ZERO));
    let expired = tokio::time::Instant::now() + Duration::from_millis(30);
    tokio::time::sleep_until(expired).await;
    let mut again = server.recover(&client).await;
    assert_eq!(again.text().await, message("stays", 1));
    assert_eq!(again.text().await, message("zero sets no limit", 3));
}

/// One step of a story: what happens to a reliable client.
#[derive(Debug, Clone)]
enum Step {
    Send(u8),
    /// Read up to this many messages.
    Read(u8),
    Acknowledge,
    Cut,
    CloseAndReturn,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..8_u8).prop_map(Step::Send),
        3 => (1..8_u8).prop_map(Step::Read),
        2 => Just(Step::Acknowledge),
        2 => Just(Step::Cut),
        1 => Just(Step::CloseAndReturn),
    ]
}

/// A client as the official ones are: drops what it has seen, acknowledges what it processed.
struct Model {
    client: Client,
    seen: u64,
}

impl Model {
    async fn read_until(&mut self, last: u64) {
        while self.seen < last {
            let text = self.client.text().await;
            let frame: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            let id = frame["sequenceId"].as_u64().expect("a message");
            assert!(id <= self.seen + 1, "a hole before {id}");
            if id == self.seen + 1 {
                assert_eq!(frame["data"], id.to_string(), "numbers and messages agree");
                self.seen = id;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_message_once_and_in_order_over_any_cuts(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let server = Server::start(options()).await;
            let client = server.client("ann", Some(RELIABLE)).await;
            let (mut model, mut sent) = (Model { client, seen: 0 }, 0_u64);
            for step in steps {
                match step {
                    Step::Send(count) => {
                        for _ in 0..count {
                            sent += 1;
                            send(&server.hub, &sent.to_string(), None);
                        }
                    }
                    Step::Read(count) => {
                        let last = sent.min(model.seen + u64::from(count));
                        model.read_until(last).await;
                    }
                    Step::Acknowledge => {
                        let ack = format!(r#"{{"type":"sequenceAck","sequenceId":{}}}"#, model.seen);
                        model.client.send(&ack).await;
                    }
                    Step::Cut => model.client = server.recover(&model.client).await,
                    Step::CloseAndReturn => {
                        model.client.close(1001, "").await;
                        model.client = server.recover(&model.client).await;
                    }
                }
            }
            model.read_until(sent).await;
            assert_eq!(server.hub.connection_count(), 1);
        });
    }
}
