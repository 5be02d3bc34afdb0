//! What a running host sent, replayed byte for byte over a raw socket: only the port in `Host` is this program's.
//! `tests/http_host.rs` looks at the answers' meaning; here it is the bytes, and the values that come out of them.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::client::Client;
use crate::world::PATIENCE;

/// The program as a host starts it, in memory, without a host.
struct Bare {
    child: Child,
    port: u16,
    client: Client,
}

impl Bare {
    async fn start() -> Self {
        // Free now; taken in a moment.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(env!("CARGO_BIN_EXE_handler"))
            .env_clear()
            .env("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string())
            .env("AZURE_FUNCTIONS_ENVIRONMENT", "Development")
            .env("ADMIN_USERS", "root")
            .env("RUST_LOG", "off")
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let client = Client::new(format!("http://127.0.0.1:{port}"));
        let listening = async {
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, listening).await.unwrap();
        Self { child, port, client }
    }

    /// Sends the bytes; the head of the answer, its status first.
    async fn replay(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut head = Vec::new();
        while !head.windows(4).any(|it| it == b"\r\n\r\n") {
            let read =
                tokio::time::timeout(PATIENCE, stream.read_buf(&mut head)).await.expect("no hang").unwrap();
            assert!(read > 0, "closed without an answer");
            if head.starts_with(b"HTTP/1.1 100") && head.ends_with(b"\r\n\r\n") {
                head.clear();
            }
        }
        String::from_utf8_lossy(&head).into_owned()
    }
}

fn captures(file: &str) -> Vec<(String, Value)> {
    let path = format!("{}/../tests/fixtures/host/{file}", env!("CARGO_MANIFEST_DIR"));
    let Value::Object(cases) = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() else {
        panic!()
    };
    let of_case = |(case, capture): (String, Value)| {
        let events = capture["to_handler"].as_array().cloned().unwrap_or_default();
        events.into_iter().filter(|event| event["target"].is_string()).map(move |event| (case.clone(), event))
    };
    cases.into_iter().flat_map(of_case).collect()
}

/// The request as it stood on the wire.
fn bytes(event: &Value, port: u16) -> Vec<u8> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut head = format!("{} {} HTTP/1.1\r\n", text(&event["method"]), text(&event["target"]));
    let mut is_chunked = false;
    for pair in event["headers"].as_array().unwrap() {
        let (name, mut value) = (text(&pair[0]), text(&pair[1]));
        if name == "Host" && value.starts_with("127.0.0.1:") {
            value = format!("127.0.0.1:{port}");
        }
        is_chunked |= name.eq_ignore_ascii_case("transfer-encoding");
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let body = match &event["body"] {
        Value::String(text) => text.clone().into_bytes(),
        Value::Object(body) if body.contains_key("base64") => STANDARD.decode(text(&body["base64"])).unwrap(),
        Value::Object(body) => vec![b'x'; usize::try_from(body["length"].as_u64().unwrap()).unwrap()],
        _ => Vec::new(),
    };
    let mut bytes = head.into_bytes();
    if is_chunked {
        if !body.is_empty() {
            bytes.extend_from_slice(format!("{:x}\r\n", body.len()).as_bytes());
            bytes.extend_from_slice(&body);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
    } else {
        bytes.extend_from_slice(&body);
    }
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn every_captured_request_is_answered_and_none_is_our_failure() {
    let mut bare = Bare::start().await;
    let files = [
        "http-proxied.json",
        "http-forwarded.json",
        "http-json.json",
        "servicebus.json",
        "servicebus-binary.json",
    ];
    for file in files {
        for (case, event) in captures(file) {
            let head = bare.replay(&bytes(&event, bare.port)).await;
            let status = head.split(' ').nth(1).unwrap();
            assert!(!status.starts_with('5'), "{file}, {case}, {}: {head}", event["target"]);
        }
    }
    assert!(bare.child.try_wait().unwrap().is_none(), "the process lives");
}

/// Bodies that are no messages show best what was decoded: each is parked with what the broker said of it.
#[tokio::test(flavor = "multi_thread")]
async fn triggers_are_decoded_as_recorded() {
    for file in ["servicebus-binary.json", "servicebus.json"] {
        let bare = Bare::start().await;
        let mut sent = 0;
        for (case, event) in
            captures(file).into_iter().filter(|(_, event)| event["target"] == "/processQueue")
        {
            let head = bare.replay(&bytes(&event, bare.port)).await;
            assert!(head.starts_with("HTTP/1.1 200"), "{file}, {case}: {head}");
            let envelope: Value = serde_json::from_str(event["body"].as_str().unwrap()).unwrap();
            sent += 1;
            let letters = bare.client.get("/api/admin/letters?kind=dead", "root").await.json;
            let letters = letters["letters"].as_array().unwrap();
            let Some(letter) = letters.iter().find(|letter| is_of(letter, &envelope)) else { continue };
            let body = match letter["body_is_base64"].as_bool().unwrap() {
                true => STANDARD.decode(letter["body"].as_str().unwrap()).unwrap(),
                false => letter["body"].as_str().unwrap().as_bytes().to_vec(),
            };
            assert_eq!(body, recorded_body(&envelope), "{file}, {case}");
        }
        assert!(sent > 2, "{file}");
    }
}

fn metadata(envelope: &Value, name: &str) -> Value {
    let value = &envelope["Metadata"][name];
    value.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| value.clone())
}

fn is_of(letter: &Value, envelope: &Value) -> bool {
    let (number, id) = (metadata(envelope, "SequenceNumber"), metadata(envelope, "MessageId"));
    let key = format!("queue-{number}-{}", id.as_str().unwrap_or_default());
    letter["key"] == key.as_str() && letter["session"] == metadata(envelope, "SessionId")
}

fn recorded_body(envelope: &Value) -> Vec<u8> {
    let data = envelope["Data"].as_object().unwrap().values().next().unwrap().as_str().unwrap();
    if data.starts_with('"') {
        return serde_json::from_str::<String>(data).unwrap().into_bytes();
    }
    STANDARD.decode(data).unwrap()
}
