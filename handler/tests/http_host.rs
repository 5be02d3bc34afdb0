//! Under a Functions host: its own captured requests, played to the real binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod product;

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use product::{Answer, Product, call, repository};
use serde_json::Value;
use tokio::time::Instant;

fn captures(file: &str) -> Value {
    serde_json::from_str(&repository(&format!("tests/fixtures/host/{file}"))).unwrap()
}

struct Recorded {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Recorded {
    /// A request as the host sent it; `None` for other events of a capture.
    fn read(event: &Value) -> Option<Self> {
        let header =
            |pair: &Value| (pair[0].as_str().unwrap().to_owned(), pair[1].as_str().unwrap().to_owned());
        let body = match &event["body"] {
            Value::String(text) => text.clone().into_bytes(),
            Value::Object(body) => match (&body.get("base64"), &body.get("length")) {
                (Some(text), _) => STANDARD.decode(text.as_str().unwrap()).unwrap(),
                (_, Some(length)) => vec![b'x'; length.as_u64().unwrap() as usize],
                _ => Vec::new(),
            },
            _ => Vec::new(),
        };
        Some(Self {
            method: event["method"].as_str()?.to_owned(),
            target: event["target"].as_str()?.to_owned(),
            headers: event["headers"].as_array()?.iter().map(header).collect(),
            body,
        })
    }

    fn first(file: &str, case: &str) -> Self {
        Self::read(&captures(file)[case]["to_handler"][0]).unwrap()
    }

    /// To this handler: its port stands for the recorded one.
    fn play(&self, to: SocketAddr) -> Answer {
        self.play_with(to, &[])
    }

    fn play_with(&self, to: SocketAddr, more: &[(&str, &str)]) -> Answer {
        let here = to.to_string();
        let own = ["content-length", "connection"];
        let mut headers: Vec<(&str, &str)> = Vec::new();
        for (name, value) in &self.headers {
            if own.contains(&name.to_ascii_lowercase().as_str()) {
                continue;
            }
            let is_ours = name == "Host" && value.starts_with("127.0.0.1:");
            headers.push((name.as_str(), if is_ours { here.as_str() } else { value.as_str() }));
        }
        headers.retain(|(name, _)| !more.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)));
        headers.extend(more.iter().copied().filter(|(_, value)| !value.is_empty()));
        call(to, &self.method, &self.target, &headers, &self.body)
    }
}

fn every_request(file: &str) -> Vec<(String, Recorded)> {
    let captures = captures(file);
    let mut requests = Vec::new();
    for (case, capture) in captures.as_object().unwrap() {
        let events = capture["to_handler"].as_array().unwrap();
        requests.extend(events.iter().filter_map(Recorded::read).map(|request| (case.clone(), request)));
    }
    requests
}

#[test]
fn every_captured_http_call_is_answered_without_failure() {
    let mut product = Product::under_host(&[]);
    for file in ["http-proxied.json", "http-forwarded.json"] {
        for (case, request) in every_request(file) {
            let answer = request.play(product.http);
            assert!(answer.status < 500, "{file}, {case}: {answer:?}");
        }
    }
    assert!(product.is_alive());
}

#[test]
fn json_mode_is_unwrapped_answered_by_the_same_routes_and_wrapped() {
    let product = Product::under_host(&[("EVENTHANDLER_ORIGINS", "*")]);
    for (case, request) in every_request("http-json.json") {
        if request.target == "/jsonHttp" {
            continue;
        }
        let answer = request.play(product.http);
        assert_eq!(answer.status, 200, "{case}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{case}");
        let res = &answer.json()["Outputs"]["res"];
        assert!(res["statusCode"].as_u64().is_some_and(|status| status < 500), "{case}: {res}");
    }
    let res = |case: &str| {
        Recorded::first("http-json.json", case).play(product.http).json()["Outputs"]["res"].clone()
    };
    let sent = res("post json");
    assert_eq!(sent["statusCode"], 200);
    assert!(sent["body"].as_str().unwrap().contains("\"accepted\""), "{sent}");
    let mut large = Recorded::first("http-json.json", "post json");
    let mut envelope: Value = serde_json::from_slice(&large.body).unwrap();
    envelope["Data"]["req"]["Body"] = "x".repeat(300_000).into();
    large.body = envelope.to_string().into_bytes();
    assert_eq!(large.play(product.http).json()["Outputs"]["res"]["statusCode"], 413);
    assert_eq!(res("post text")["statusCode"], 415);
    assert_eq!(res("root")["statusCode"], 200);
    assert_eq!(res("head")["body"], "");
    assert_eq!(res("case of the path")["statusCode"], 200);
    assert_eq!(
        res("options webhook")["headers"]["webhook-allowed-origin"].as_str().map(str::is_empty),
        Some(false)
    );
    let negotiated: Value = serde_json::from_str(res("case of the path")["body"].as_str().unwrap()).unwrap();
    assert!(
        negotiated["url"].as_str().unwrap().starts_with("ws://chat.example:7071/client/hubs/"),
        "{negotiated}"
    );
}

#[test]
fn negotiate_hands_out_the_address_the_caller_used() {
    let product = Product::under_host(&[]);
    for file in ["http-proxied.json", "http-forwarded.json"] {
        let answer = Recorded::first(file, "case of the path").play(product.http);
        let url = answer.json()["url"].as_str().unwrap().to_owned();
        assert!(
            url.starts_with("ws://chat.example:7071/client/hubs/demo_ai_chat?access_token="),
            "{file}: {url}"
        );
    }
}

#[test]
fn a_captured_trigger_reaches_log_and_inbox_once() {
    let product = Product::under_host(&[]);
    let trigger = Recorded::first("servicebus-binary.json", "queue json object");
    for attempt in 1..=3 {
        let answer = trigger.play(product.http);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
        let json = answer.json();
        assert!(json["Outputs"].is_object() && json["Logs"][0].is_string(), "{json}");
        let messages = product.get("/api/messages?user_id=bob&with=alice").json()["messages"].clone();
        assert_eq!(messages.as_array().unwrap().len(), 1, "attempt {attempt}");
        assert_eq!((&messages[0]["id"], &messages[0]["content"]), (&"m-1".into(), &"hi ☕".into()));
        assert_eq!(product.get("/api/inbox?user_id=bob").json()["messages"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn poison_is_parked_with_its_reason_and_the_host_is_told_all_is_well() {
    let product = Product::under_host(&[("ADMIN_USERS", "root")]);
    let answer = Recorded::first("servicebus-binary.json", "queue text").play(product.http);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let letters = product.get("/api/admin/letters?kind=dead&user_id=root").json()["letters"].clone();
    assert_eq!(letters[0]["body"], "plain words", "{letters}");
    assert_eq!(letters[0]["code"], "invalid_json");
}

#[test]
fn every_captured_trigger_is_answered_with_an_object() {
    let product = Product::under_host(&[]);
    for file in ["servicebus-binary.json", "servicebus.json"] {
        for (case, mut request) in every_request(file) {
            match request.target.as_str() {
                "/processQueue" | "/processTopic" | "/deadLetters" => {}
                "/processBatch" => request.target = "/processQueue".to_owned(),
                _ => continue,
            }
            let answer = request.play(product.http);
            assert_eq!(answer.status, 200, "{file}, {case}: {}", answer.text());
            assert!(answer.json().is_object(), "{file}, {case}");
        }
    }
}

/// What a host called for a message of which ten deliveries had failed.
#[test]
fn a_captured_dead_letter_is_stored_with_what_the_bus_says_of_it() {
    let product = Product::under_host(&[("ADMIN_USERS", "root")]);
    let dead = |request: &(String, Recorded)| request.1.target == "/deadLetters";
    let (_, request) = every_request("servicebus.json").into_iter().find(dead).unwrap();
    for _ in 0..2 {
        assert_eq!(request.play(product.http).status, 200);
    }
    let letters = product.get("/api/admin/letters?kind=dead&user_id=root").json()["letters"].clone();
    let letter = &letters.as_array().unwrap()[0];
    assert_eq!(letters.as_array().unwrap().len(), 1, "a repeat stores it once");
    assert_eq!((&letter["code"], &letter["delivery_count"]), (&"missing_field".into(), &11.into()));
    assert_eq!((&letter["message_id"], &letter["session"]), (&"f-1".into(), &"f1".into()));
    let reason = letter["reason"].as_str().unwrap();
    assert!(
        reason
            .ends_with("MaxDeliveryCountExceeded: Message could not be consumed after 10 delivery attempts.")
    );
    let id = letter["id"].as_str().unwrap();
    let body = serde_json::json!({ "kind": "dead", "id": id });
    let answer = product.post("/api/admin/letters/replay?user_id=root", &body.to_string());
    assert_eq!((answer.status, &answer.json()["code"]), (409, &"letter_is_poison".into()));
}

/// The same call as the host's double and Core Tools make it, for our own folder.
#[test]
fn the_timer_has_the_chores_done_and_answers_an_object() {
    let product = Product::under_host(&[]);
    let mut captured = captures("startup-and-timer.json")["first timer"].take();
    captured["method"] = "POST".into();
    captured["target"] = "/retention".into();
    let tick = Recorded::read(&captured).unwrap();
    let answer = tick.play(product.http);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let json = answer.json();
    assert!(json["Outputs"].is_object(), "{json}");
    let lines = json["Logs"].as_array().unwrap();
    assert!(lines.contains(&"leases: 0".into()) && lines.contains(&"sanctions: 0".into()), "{json}");
    let again = tick.play(product.http).json();
    assert_eq!(again["Logs"], serde_json::json!([]), "nothing is due so soon");
}

#[test]
fn an_outsiders_request_is_never_an_invocation() {
    let product = Product::under_host(&[("ADMIN_USERS", "root")]);
    let trigger = Recorded::first("servicebus-binary.json", "queue json object");
    let guid = "2811df3a-ed9f-415e-8d9d-f2281efc01b4";
    let outsiders: [(&str, &[(&str, &str)]); 6] = [
        (
            "proxied",
            &[("x-ms-invocation-id", guid), ("X-Forwarded-Host", "chat.example"), ("User-Agent", "curl/8")],
        ),
        ("proxied, all copied", &[("x-ms-invocation-id", guid)]),
        ("forwarded", &[("Host", "chat.example"), ("User-Agent", "curl/8 Azure-Functions-Host/4.1037.0.0")]),
        ("forwarded, without a User-Agent", &[("Host", "chat.example"), ("Transfer-Encoding", "")]),
        ("forwarded, our own Host guessed", &[("Transfer-Encoding", "")]),
        ("past the host", &[("X-Azure-Functions-InvocationId", "")]),
    ];
    for target in [
        "/processQueue",
        "/processTopic",
        "/deadLetters",
        "/deadLettersTopic",
        "/retention",
        "/sendMessage",
        "/web",
    ] {
        for (name, more) in &outsiders {
            let request = Recorded {
                method: "POST".into(),
                target: target.into(),
                headers: trigger.headers.clone(),
                body: trigger.body.clone(),
            };
            let answer = request.play_with(product.http, more);
            let wanted = if target == "/sendMessage" { 400 } else { 404 };
            assert_eq!(answer.status, wanted, "{target}, {name}: {}", answer.text());
        }
    }
    assert_eq!(product.get("/api/metrics").json()["messages_sent"], 0);
    for kind in ["dead", "rejected", "waiting"] {
        let letters = product.get(&format!("/api/admin/letters?user_id=root&kind={kind}")).json();
        assert_eq!(letters["letters"], serde_json::json!([]));
    }
}

#[test]
fn core_tools_send_invocations_with_a_length() {
    let trigger = Recorded::first("servicebus-binary.json", "queue json object");
    let product = Product::under_host(&[("FUNCTIONS_CORETOOLS_ENVIRONMENT", "1")]);
    assert_eq!(trigger.play_with(product.http, &[("Transfer-Encoding", "")]).status, 200);
}

#[test]
fn a_repeated_request_of_one_invocation_is_one_message() {
    let product = Product::under_host(&[]);
    let request = Recorded::first("http-proxied.json", "post json");
    let ids: Vec<Value> = (0..3).map(|_| request.play(product.http).json()["MessageID"].clone()).collect();
    assert!(ids[0].is_string() && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let room = |_| {
        let more = [("content-type", "application/json")];
        let mut request = Recorded::first("http-proxied.json", "post json");
        request.target = "/api/rooms".to_owned();
        request.body = br#"{"name":"Tea","user_id":"ann"}"#.to_vec();
        let answer = request.play_with(product.http, &more);
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["id"].clone()
    };
    let rooms: Vec<Value> = (0..3).map(room).collect();
    assert!(rooms.iter().all(|id| *id == rooms[0]));
    product.eventually("/api/messages?user_id=bob&with=alice", |answer| {
        answer.json()["messages"].as_array().unwrap().len() == 1
    });
}

#[test]
fn alone_nobodys_invocation_id_is_believed() {
    let product = Product::alone(&[]);
    let body = br#"{"SenderID":"ann","RoomID":"general","MessageText":"x"}"#;
    let headers = [("X-Azure-Functions-InvocationId", "1"), ("content-type", "application/json")];
    let send = || call(product.http, "POST", "/api/sendMessage", &headers, body).json()["MessageID"].clone();
    assert_ne!(send(), send());
}

#[test]
fn a_planted_panic_is_an_answer_and_the_process_lives() {
    let mut product = Product::under_host(&[("HANDLER_TEST_CONTROLS", "true")]);
    let answer = call(product.http, "GET", "/api/health", &[("x-test-panic", "1")], b"");
    assert_eq!((answer.status, answer.error().0.as_str()), (500, "internal"));
    assert!(product.is_alive());
}

#[test]
fn without_the_setting_the_header_means_nothing() {
    let product = Product::under_host(&[]);
    assert_eq!(call(product.http, "GET", "/api/health", &[("x-test-panic", "1")], b"").status, 200);
}

#[test]
fn an_unreadable_invocation_fails_slowly() {
    let product = Product::under_host(&[]);
    let mut trigger = Recorded::first("servicebus-binary.json", "queue json object");
    trigger.body = b"{}".to_vec();
    let began = Instant::now();
    assert_eq!(trigger.play(product.http).status, 500);
    assert!(began.elapsed() >= Duration::from_secs(1));
}

#[test]
fn a_query_with_the_key_is_not_logged() {
    let mut product = Product::under_host(&[("RUST_LOG", "trace")]);
    let request = Recorded::first("http-proxied.json", "query repeated");
    assert!(request.target.contains("code=SECRET"));
    request.play(product.http);
    product.get("/api/negotiate?code=SECRET");
    product.signal("TERM");
    product.ended();
    let lines = product.all_lines();
    assert!(lines.iter().all(|line| serde_json::from_str::<Value>(line).is_ok()), "one JSON object a line");
    assert!(!lines.join("\n").contains("SECRET"));
}
