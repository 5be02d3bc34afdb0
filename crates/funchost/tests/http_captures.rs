//! Every recorded HTTP case, sent to the double: the same to the handler, the same to the caller.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail their test"
)]

mod support;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use funchost::{FuncHost, HttpMode};
use serde_json::{Value, json};
use support::{App, capture, cases_in_order, exchange, masked, normal_call, normal_headers};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn proxied() {
    replay("http-proxied.json", HttpMode::Proxied).await;
}

#[tokio::test]
async fn forwarded() {
    replay("http-forwarded.json", HttpMode::Forwarded).await;
}

#[tokio::test]
async fn json_mode() {
    let host = replay("http-json.json", HttpMode::Json).await;
    assert_eq!(host.hangs(), 1, "the one case that is recorded as a hang");
    let sent: Vec<String> = host
        .messages("out-queue")
        .into_iter()
        .map(|stored| String::from_utf8(stored.message.body).unwrap())
        .collect();
    assert_eq!(sent, ["m1", "test", r#"{"a":1}"#, "test"], "outputs, the last one through the base64 trap");
}

async fn replay(file: &str, mode: HttpMode) -> FuncHost {
    let app = App::new();
    // The recorded hang waits for the function's time; 20 s are long.
    app.edit("host.json", |host| host["functionTimeout"] = json!("00:00:02"));
    let mut options = app.options();
    options.mode = Some(mode);
    let host = FuncHost::start(options).await.unwrap();
    host.ready().await.unwrap();
    let cases = capture(file);
    let mut seen = 0;
    let mut wrong = Vec::new();
    for name in cases_in_order(file, &cases) {
        let case = &cases[&name];
        let expected: Vec<Value> = case["to_handler"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|it| support::is_call(it))
            .cloned()
            .collect();
        let answer = call(&app, &host, case, seen + expected.len()).await;
        let calls = app.calls().split_off(seen);
        seen += calls.len();
        compare(
            &mut wrong,
            &format!("{name}: to the handler"),
            &normal(&expected, mode),
            &normal(&calls, mode),
        );
        compare(&mut wrong, &format!("{name}: to the caller"), &to_caller(&case["to_caller"]), &answer);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    host
}

fn compare(wrong: &mut Vec<String>, what: &str, expected: &Value, actual: &Value) {
    if expected != actual {
        wrong.push(format!("{what}\n  recorded {expected}\n  here     {actual}"));
    }
}

/// In JSON mode the order of headers inside the envelope, and the case of names that only the caller knows, are not
/// reproduced; everything else is compared as text.
fn normal(calls: &[Value], mode: HttpMode) -> Value {
    let each = calls.iter().map(|call| {
        let mut call = normal_call(call);
        if mode == HttpMode::Json
            && let Some(envelope) = call["body"].as_str().and_then(|body| serde_json::from_str(body).ok())
        {
            call["body"] = with_lower_header_names(envelope);
        }
        call
    });
    each.collect()
}

fn with_lower_header_names(mut envelope: Value) -> Value {
    for pointer in ["/Data/req/Headers", "/Metadata/Headers"] {
        if let Some(Value::Object(headers)) = envelope.pointer_mut(pointer) {
            *headers = std::mem::take(headers)
                .into_iter()
                .map(|(name, value)| (name.to_lowercase(), value))
                .collect();
        }
    }
    envelope
}

fn to_caller(recorded: &Value) -> Value {
    if recorded.get("status").is_none() {
        return Value::Null;
    }
    json!({
        "status": recorded["status"],
        "headers": normal_headers(&recorded["headers"]),
        "body": recorded.get("body").unwrap_or(&json!("")),
        "streamed": recorded.get("arrived_ms_bytes").is_some(),
    })
}

/// Makes the recorded call and answers what its caller saw; null where it did not wait.
async fn call(app: &App, host: &FuncHost, case: &Value, calls_then: usize) -> Value {
    let request = wire(&case["caller_sent"]);
    if case["to_caller"].get("nothing").is_some() {
        let mut stream = tokio::net::TcpStream::connect(host.address()).await.unwrap();
        stream.write_all(&request).await.unwrap();
        app.calls_at_least(calls_then).await;
        return Value::Null;
    }
    let mut answer = exchange(host, &request).await;
    if answer.status.starts_with("101") {
        answer.stream.write_all(b"ping").await.unwrap();
        let mut echoed = [0; 4];
        answer.stream.read_exact(&mut echoed).await.unwrap();
        assert_eq!(&echoed, b"ping", "bytes pass both ways");
    }
    json!({
        "status": answer.status,
        "headers": normal_headers(&answer.headers),
        "body": masked(&String::from_utf8_lossy(&answer.body)),
        "streamed": answer.arrivals > 2,
    })
}

/// The bytes that the caller sent: the captures keep heads with line feeds alone, and cut one long body.
fn wire(sent: &Value) -> Vec<u8> {
    let raw = match sent {
        Value::String(text) => match text.split_once("xxxx… ") {
            Some((start, _)) => {
                let (head, _) = start.split_once("\n\n").unwrap();
                format!("{head}\n\n{{\"t\":\"{}\"}}", "x".repeat(2_000_000)).into_bytes()
            }
            None => text.clone().into_bytes(),
        },
        other => STANDARD.decode(other["base64"].as_str().unwrap()).unwrap(),
    };
    let end = raw.windows(2).position(|it| it == b"\n\n").unwrap();
    let mut wire = Vec::new();
    for line in raw[..end].split(|&byte| byte == b'\n') {
        wire.extend_from_slice(line);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"\r\n");
    wire.extend_from_slice(&raw[end + 2..]);
    wire
}
