//! Every recorded Service Bus case, sent through the REST call: the same envelopes to the handler.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail their test"
)]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use funchost::{FuncHost, Status};
use serde_json::{Map, Value, json};
use support::{App, LIMIT, capture, exchange, is_call, normal_call};

/// Sends like the recorded sender: REST, signed, properties in headers.
struct Sender<'a> {
    host: &'a FuncHost,
    http: reqwest::Client,
}

/// The application properties that most recorded messages carry.
const PROPERTIES: [(&str, &str); 4] = [
    ("room_id", "\"r1\""),
    ("n", "7"),
    ("ok", "true"),
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
];

impl Sender<'_> {
    async fn send(&self, entity: &str, broker: Value, properties: &[(&str, &str)], body: &str) {
        self.send_as("application/json", entity, broker, properties, body).await;
    }

    async fn send_as(
        &self,
        kind: &str,
        entity: &str,
        broker: Value,
        properties: &[(&str, &str)],
        body: &str,
    ) {
        let mut request = self
            .http
            .post(self.host.send_url(entity).unwrap())
            .header("Authorization", self.host.sas_token(entity).unwrap())
            .header("Content-Type", kind)
            .header("BrokerProperties", broker.to_string())
            .body(body.to_owned());
        for (name, value) in properties {
            request = request.header(*name, *value);
        }
        assert_eq!(request.send().await.unwrap().status(), 201, "{broker}");
    }

    /// A message with all the broker properties and application properties of the recording.
    async fn full(&self, entity: &str, id: &str, session: &str, kind: &str, body: &str) {
        let broker =
            json!({"MessageId": id, "SessionId": session, "Label": "subj", "CorrelationId": "cor-1"});
        self.send_as(kind, entity, broker, &PROPERTIES, body).await;
    }

    async fn short(&self, id: &str, session: &str, body: &str) {
        self.send("chat-queue", json!({"MessageId": id, "SessionId": session}), &[], body).await;
    }
}

/// A recording and a host that have come equally far.
struct Replay<'a> {
    app: &'a App,
    host: &'a FuncHost,
    cases: Map<String, Value>,
    seen: usize,
}

impl Replay<'_> {
    async fn idle(&self) {
        let settled = |status: &Status| {
            status
                .entities
                .iter()
                .all(|(path, entity)| path == "out-queue" || entity.messages + entity.dead_letters == 0)
        };
        self.host.wait_for(LIMIT, settled).await.expect("every message is settled in time");
    }

    /// Waits for the end of a case and compares the calls, function by function and session by session: only within a
    /// session is there an order.
    async fn compare(&mut self, name: &str) {
        self.idle().await;
        self.compare_first(name, usize::MAX);
    }

    fn compare_first(&mut self, name: &str, count: usize) {
        let recorded = self.cases[name]["to_handler"].as_array().unwrap().clone();
        let recorded = recorded.into_iter().filter(is_call).take(count);
        let calls = self.app.calls().split_off(self.seen);
        self.seen += calls.len();
        let calls = calls.into_iter().take(count);
        assert_eq!(by_order(calls), by_order(recorded), "{name}: left is here, right is recorded");
    }
}

fn by_order(calls: impl Iterator<Item = Value>) -> BTreeMap<String, Vec<Value>> {
    let mut ordered: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for call in calls {
        let session = call["body"].as_str().and_then(|body| serde_json::from_str::<Value>(body).ok());
        let session =
            session.map(|envelope| envelope["Metadata"]["SessionId"].to_string()).unwrap_or_default();
        ordered.entry(format!("{} {session}", call["target"])).or_default().push(normal_call(&call));
    }
    ordered
}

#[tokio::test]
async fn text() {
    let app = App::new();
    // The recorded hang waits for the function's time; 20 s are long.
    app.edit("host.json", |host| host["functionTimeout"] = json!("00:00:02"));
    let host = app.start().await;
    let sender = Sender { host: &host, http: reqwest::Client::new() };
    let mut replay = Replay { app: &app, host: &host, cases: capture("servicebus.json"), seen: 0 };

    let chat = r#"{"SenderID":"alice","ReceiverID":"bob","MessageText":"hi ☕","n":1}"#;
    sender.full("chat-queue", "m-1", "r1", "application/json", chat).await;
    replay.compare("queue json object").await;

    sender.full("chat-queue", "m-2", "r1", "text/plain", "plain words").await;
    replay.compare("queue text").await;

    for (number, body) in ["42", "true", "null", r#"[1,{"a":2}]"#, r#""quoted""#, ""].iter().enumerate() {
        sender.full("chat-queue", &format!("v-{number}"), "r1", "application/json", body).await;
    }
    replay.compare("queue number, bool, null, array").await;

    sender.full("chat-queue", "m-3", "r1", "application/json", COLLISION).await;
    replay.compare("queue metadata collision").await;

    let post = r#"{"content":"hello","room_id":"r1","timestamp":"2026-11-21T01:02:03.004Z","n":1.50}"#;
    sender.full("chat-topic", "t-1", "r1", "application/json", post).await;
    replay.compare("topic without dataType").await;

    sender.full("chat-topic", "t-2", "r1", "application/json", "not json").await;
    replay.compare("topic text without dataType").await;

    host.pause();
    for number in 1..=3 {
        let broker = json!({"MessageId": format!("b-{number}")});
        let tenant = format!("\"t{number}\"");
        sender.send("batch-queue", broker, &[("tenant", &tenant)], &format!(r#"{{"i":{number}}}"#)).await;
    }
    host.resume();
    replay.compare("batch of three").await;

    for number in 0..24 {
        let (id, session) = (format!("p-{number}"), format!("s{}", number % 6));
        sender.short(&id, &session, &format!(r#"{{"i":{number},"w":"do:none"}}"#)).await;
    }
    replay.compare("sessions in parallel, order in each").await;

    for number in 0..4 {
        let (id, session) = (format!("q-{number}"), format!("q{}", number % 2));
        sender.short(&id, &session, &format!(r#"{{"i":{number},"w":"do:slow"}}"#)).await;
    }
    replay.compare("slow in two sessions").await;

    sender.full("chat-queue", "f-1", "f1", "application/json", r#"{"w":"do:fail"}"#).await;
    replay.compare("failure to dead letter").await;

    sender.full("chat-queue", "f-2", "f2", "application/json", r#"{"w":"do:plain"}"#).await;
    replay.compare("text answer fails").await;

    sender.short("x-1", "p1", r#"{"w":"do:fail","i":1}"#).await;
    sender.short("x-2", "p1", r#"{"i":2}"#).await;
    replay.compare("poison does not hold up its session").await;

    output_binding(&host).await;
    replay.seen = app.calls().len();

    sender.short("k-1", "k1", r#"{"w":"do:crash1"}"#).await;
    replay.compare("handler killed during a message").await;
    assert_eq!(host.status().handler_errors, 1);
    assert_eq!(host.hangs(), 0, "nothing but an empty answer hangs");

    sender.full("chat-queue", "h-1", "h1", "application/json", r#"{"w":"do:empty"}"#).await;
    host.wait_for(LIMIT, |status| status.hangs() == 2)
        .await
        .expect("the message comes again and hangs again");
    replay.compare_first("empty answer hangs", 2);
    let status = host.status();
    assert_eq!(
        (status.handler_errors, status.restarts),
        (1, 2),
        "a timeout's restart is not counted as an error"
    );
}

const COLLISION: &str = r#"{"messageId":"evil","SessionId":"evil","deliveryCount":99,"sys":"evil","extra":"kept","obj":{"a":1},"arr":[1],"when":"2026-11-21T01:02:03.004Z"}"#;

/// The recorded caller was another program with headers of its own; what it got and what was queued is compared.
async fn output_binding(host: &FuncHost) {
    let body = r#"{"w":"do:out"}"#;
    let request =
        format!("POST /json/42 HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let answer = exchange(host, request.as_bytes()).await;
    let recorded = &capture("servicebus.json")["output binding"]["to_caller"];
    assert_eq!(answer.status, "201 Created");
    assert_eq!(recorded["status"], 201);
    assert_eq!(answer.body, recorded["body"].as_str().unwrap());
    let queued: Vec<Value> = host
        .messages("out-queue")
        .into_iter()
        .map(|it| {
            json!({
                "sequenceNumber": it.sequence_number,
                "contentType": it.message.content_type,
                "properties": it.message.properties.iter().map(|(name, _)| name).collect::<Vec<_>>(),
                "body": String::from_utf8(it.message.body).unwrap(),
            })
        })
        .collect();
    let expected = recorded["queue"].as_array().unwrap().iter().map(|it| {
        json!({
            "sequenceNumber": it["sequenceNumber"],
            "contentType": it["contentType"],
            "properties": it["applicationProperties"].as_object().unwrap().keys().collect::<Vec<_>>(),
            "body": it["body"],
        })
    });
    assert_eq!(queued, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn binary() {
    let app = App::new();
    app.edit("processQueue/function.json", |function| function["bindings"][0]["dataType"] = json!("binary"));
    let host = app.start().await;
    let sender = Sender { host: &host, http: reqwest::Client::new() };
    let cases = capture("servicebus-binary.json");
    let mut replay = Replay { app: &app, host: &host, cases, seen: 0 };

    let chat = r#"{"SenderID":"alice","ReceiverID":"bob","MessageText":"hi ☕","n":1}"#;
    sender.full("chat-queue", "m-1", "r1", "application/json", chat).await;
    replay.compare("queue json object").await;
    // Recorded second by its sequence number, though it stands third in the file.
    sender.full("chat-queue", "m-3", "r1", "application/json", COLLISION).await;
    replay.compare("queue metadata collision").await;
    sender.full("chat-queue", "m-2", "r1", "text/plain", "plain words").await;
    replay.compare("queue text").await;
    assert_eq!(host.hangs(), 0);
}

#[tokio::test]
async fn bytes_that_are_no_text_arrive_whole_when_binary() {
    let app = App::new();
    app.edit("processQueue/function.json", |function| function["bindings"][0]["dataType"] = json!("binary"));
    let host = app.start().await;
    let bytes = [0, 159, 146, 150];
    host.send("chat-queue", funchost::Message::new(bytes).with_session("s")).await.unwrap();
    let call = &app.calls_at_least(1).await[0];
    let envelope: Value = serde_json::from_str(call["body"].as_str().unwrap()).unwrap();
    assert_eq!(envelope["Data"]["message"], STANDARD.encode(bytes));
}

#[tokio::test]
async fn ten_deliveries_are_gone_at_once() {
    let app = App::new();
    let host = app.start().await;
    let began = tokio::time::Instant::now();
    host.send("chat-queue", funchost::Message::new(r#"{"w":"do:fail"}"#).with_session("s")).await.unwrap();
    let dead = |status: &Status| status.functions.get("deadLetters").is_some_and(|it| it.successes == 1);
    host.wait_for(LIMIT, dead).await.unwrap();
    let status = host.status();
    assert_eq!(status.functions["processQueue"].failures, 10);
    assert!(began.elapsed() < Duration::from_secs(2), "recorded as 70 ms; took {:?}", began.elapsed());
}

#[tokio::test]
async fn a_failing_dead_letter_function_is_called_again_for_ever() {
    let app = App::new();
    let host = app.start().await;
    host.send("chat-queue", funchost::Message::new("do:failalways").with_session("s")).await.unwrap();
    let many = |status: &Status| status.functions.get("deadLetters").is_some_and(|it| it.failures > 30);
    let status = host.wait_for(LIMIT, many).await.unwrap();
    assert_eq!(status.entities["chat-queue"].dead_letters, 1);
    assert_eq!(status.dead_letters[0].reason, "MaxDeliveryCountExceeded");
}
