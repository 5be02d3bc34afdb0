//! What the program tells its log: a line for each invocation, and never a secret.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod product;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use product::{Product, call, repository};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

const JSON: (&str, &str) = ("content-type", "application/json");
const INVOCATION: &str = "x-azure-functions-invocationid";

/// What must not be told, each recognisable. In one case, so that a line can be searched in lower case.
const HUB: &str = "plantedhubkeyplantedhubkeyplantedhubkey";
const EVENTS: &str = "planted-eventhandler-key";
const BUS: &str = "plantedbuskey000000000000000000000000000000=";
const STORAGE: &str = "plantedstoragekey000000000000000000000000000";
const SERVICE: &str = "plantedservicekeyplantedservicekeyplantedkey";
const CONTENT: &str = "planted-content";
const CODE: &str = "planted-code";
const BEARER: &str = "planted-bearer";
const QUERY: &str = "planted-query";
/// What the identity endpoint hands out, and what it is shown.
const TOKEN: &str = "planted-token-of-the-identity";
const IDENTITY: &str = "planted-identity-header";
const PLANTED: [&str; 11] =
    [HUB, SERVICE, EVENTS, BUS, STORAGE, CONTENT, CODE, BEARER, QUERY, TOKEN, IDENTITY];

/// The lines that tell of invocations.
fn invocations(lines: &[String]) -> Vec<Value> {
    let lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["message"] == "invocation").collect()
}

fn finished(mut product: Product) -> Vec<String> {
    product.signal("TERM");
    product.ended();
    product.all_lines()
}

/// A trigger as the host sends it.
fn trigger(product: &Product, id: &str, body: &str) -> u16 {
    let here = product.http.to_string();
    let headers = [
        JSON,
        ("host", here.as_str()),
        (INVOCATION, id),
        ("user-agent", "Azure-Functions-Host/4.1037.0.0"),
        ("transfer-encoding", "chunked"),
    ];
    call(product.http, "POST", "/processQueue", &headers, body.as_bytes()).status
}

fn captured_trigger() -> String {
    let captures: Value = serde_json::from_str(&repository("tests/fixtures/host/servicebus.json")).unwrap();
    captures["queue json object"]["to_handler"][0]["body"].as_str().unwrap().to_owned()
}

#[test]
fn each_invocation_is_one_line() {
    let product = Product::under_host(&[
        ("STORAGE_MODE", "memory"),
        ("QUEUE_MODE", "embedded"),
        ("TRANSPORT_MODE", "self"),
    ]);
    let ask = |method: &str, path: &str, id: &str, body: &str| {
        call(product.http, method, path, &[JSON, (INVOCATION, id)], body.as_bytes()).status
    };
    let message = json!({"SenderID": "ann", "ReceiverID": "bob", "MessageText": CONTENT}).to_string();
    assert_eq!(ask("POST", "/api/sendMessage", "i-1", &message), 200);
    assert_eq!(ask("GET", "/api/rooms/general/messages?user_id=ann", "i-2", ""), 200);
    assert_eq!(ask("GET", "/api/nothing/of/ours", "i-3", ""), 404);
    assert_eq!(ask("POST", "/api/sendMessage", "i-4", "{"), 400);
    assert_eq!(trigger(&product, "i-5", &captured_trigger()), 200);
    product.eventually("/api/metrics", |answer| answer.json()["delivered"] == 2);

    let lines = invocations(&finished(product));
    let of = |id: &str| {
        let found: Vec<_> = lines.iter().filter(|line| line["invocation"] == id).collect();
        assert_eq!(found.len(), 1, "{id}: {lines:#?}");
        assert!(found[0]["duration_ms"].is_u64() && found[0]["remote_calls"] == 0, "{}", found[0]);
        (found[0]["function"].as_str().unwrap(), found[0]["outcome"].as_str().unwrap(), found[0])
    };
    let (function, outcome, sent) = of("i-1");
    assert_eq!((function, outcome), ("POST /api/sendMessage", "200"));
    let conversation = sent["conversation"].as_str().unwrap();
    assert_eq!(conversation.len(), 16, "{conversation}");
    assert_eq!(of("i-2").0, "GET /api/rooms/{id}/messages");
    assert!(of("i-2").2["conversation"].is_string());
    assert_eq!((of("i-3").0, of("i-3").1), ("other", "404"));
    assert_eq!(of("i-4").1, "400");
    assert_eq!((of("i-5").0, of("i-5").1), ("processQueue", "delivered=1"));
    let worker = lines.iter().find(|line| line["function"] == "worker").unwrap();
    assert_eq!((&worker["outcome"], &worker["conversation"]), (&"delivered=1".into(), &conversation.into()));
}

/// Names and ids may hold any text; a line of the log is the program's alone.
#[test]
fn what_callers_send_makes_no_line_of_its_own() {
    let odd = "ann\r\nforged line\n{\"message\":\"forged line\"}\u{1b}[2J";
    let (in_url, escaped) = ("ann%0D%0Aforged%20line%0A", "forged line");
    for is_hosted in [true, false] {
        let settings = [("RUST_LOG", "debug"), ("ADMIN_USERS", "root")];
        let product = if is_hosted { Product::under_host(&settings) } else { Product::alone(&settings) };
        let ask = |method: &str, path: &str, body: &str| {
            let headers = [JSON, (INVOCATION, "i-1"), ("traceparent", "00-forged line-1-01")];
            call(product.http, method, path, &headers, body.as_bytes()).status
        };
        let message = json!({"SenderID": "ann", "ReceiverID": "bob", "MessageText": odd, "MessageID": odd});
        assert_eq!(ask("POST", "/api/sendMessage", &message.to_string()), 200);
        let nobody = json!({"SenderID": odd, "ReceiverID": odd, "MessageText": odd, "MessageID": odd});
        assert_eq!(ask("POST", "/api/sendMessage", &nobody.to_string()), 400);
        let room = json!({"SenderID": odd, "RoomID": odd, "MessageText": odd});
        assert_eq!(ask("POST", "/api/sendMessage", &room.to_string()), 400);
        assert_eq!(
            ask("POST", &format!("/api/rooms?user_id={in_url}"), &json!({"name": "Tea"}).to_string()),
            400
        );
        assert_eq!(ask("GET", &format!("/api/rooms/{in_url}"), ""), 400);
        assert_eq!(ask("GET", &format!("/api/{in_url}"), ""), 404);
        assert_eq!(ask("GET", &format!("/api/negotiate?user_id={in_url}"), ""), 400);
        assert_eq!(ask("GET", &format!("/api/admin/audit?user_id={in_url}"), ""), 400);
        assert_eq!(ask("POST", &format!("/api/me/logout?user_id={in_url}"), ""), 400);
        trigger(&product, "i-2", &captured_trigger().replace("hi \u{2615}", "\\n\\nforged line"));
        trigger(
            &product,
            "i-3",
            &json!({"Data": {"message": odd}, "Metadata": {"MessageId": odd}}).to_string(),
        );
        let sent = |answer: &product::Answer| answer.json()["delivered"].as_u64() >= Some(1);
        product.eventually("/api/metrics", sent);
        let lines = finished(product);
        assert!(!lines.is_empty());
        for line in lines {
            assert!(!line.trim_start().trim_start_matches('{').starts_with("\"message\":\"forged"), "{line}");
            assert!(!line.trim_start().starts_with(escaped) && !line.contains('\u{1b}'), "{line:?}");
            assert!(!is_hosted || serde_json::from_str::<Value>(&line).is_ok(), "{line:?}");
        }
    }
}

/// Refuses whatever is asked.
fn refusing() -> String {
    answering(|_| "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno".to_owned())
}

/// The endpoint of a managed identity.
fn identity() -> (String, Arc<AtomicUsize>) {
    let given = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&given);
    let url = answering(move |asked| {
        assert!(asked.contains(IDENTITY), "{asked}");
        count.fetch_add(1, Ordering::Relaxed);
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let body = json!({"access_token": TOKEN, "expires_on": (now + 86_400).to_string(), "resource": "x",
            "token_type": "Bearer"})
        .to_string();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json";
        format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    });
    (format!("{url}/msi/token/"), given)
}

/// A server that makes one answer for each request.
fn answering(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> String {
    let answer = Arc::new(answer);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || {
                let mut read = [0; 16 * 1024];
                while let Ok(count @ 1..) = socket.read(&mut read) {
                    let answer = answer(&String::from_utf8_lossy(&read[..count]));
                    if socket.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    format!("http://{address}")
}

/// Every way in that carries a secret, those that fail included.
async fn use_all(product: &Product) -> Option<String> {
    let bearer = format!("Bearer {BEARER}");
    let headers = [JSON, (INVOCATION, "i-1"), ("authorization", bearer.as_str()), ("x-functions-key", CODE)];
    let ask =
        |method: &str, path: &str, body: &str| call(product.http, method, path, &headers, body.as_bytes());
    let message = json!({"SenderID": "ann", "ReceiverID": "bob", "MessageText": CONTENT}).to_string();
    ask("POST", &format!("/api/sendMessage?code={CODE}&x={QUERY}"), &message);
    ask("POST", &format!("/api/publish?sender=ann&content={CONTENT}&code={CODE}"), "");
    ask("POST", &format!("/api/sendMessage?code={CODE}"), &format!("{{\"MessageText\":\"{CONTENT}\""));
    ask("GET", &format!("/api/nothing?code={CODE}&access_token={QUERY}"), "");
    ask("OPTIONS", &format!("/api/eventhandler?code={EVENTS}"), "");
    ask("POST", &format!("/api/eventhandler?code={CODE}"), &message);
    ask("POST", &format!("/api/eventhandler?code={EVENTS}"), &message);
    ask("GET", &format!("/client/hubs/demo_ai_chat?access_token={QUERY}"), "");
    trigger(product, "i-2", &captured_trigger().replace("hi \u{2615}", CONTENT));
    trigger(product, "i-3", &format!("{{\"Data\":{{\"message\":\"{CONTENT}\"}}}}"));
    let ready = ask("GET", "/api/readyz", "").text();
    assert!(!PLANTED.iter().any(|secret| ready.to_ascii_lowercase().contains(secret)), "{ready}");
    // Where the stores or the service are away there is no socket, and maybe no token.
    let access = ask("GET", &format!("/api/negotiate?user_id=ann&code={CODE}"), "").json();
    let url = access["url"].as_str()?.to_owned();
    if let Ok((mut socket, _)) = connect_async(url.clone()).await {
        let said = json!({"action": "send", "room": "general", "content": CONTENT});
        socket.send(Message::text(said.to_string())).await.unwrap();
        socket.next().await.unwrap().unwrap();
        socket.close(None).await.unwrap();
    }
    Some(url.split_once("access_token=").unwrap().1.to_ascii_lowercase())
}

/// Under a host; where it does not say that it starts, once it answers.
async fn started(settings: &[(&str, &str)], level: &str) -> Product {
    if ["trace", "debug", "info"].contains(&level) {
        return Product::under_host(settings);
    }
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let port = address.port().to_string();
    let host = [("FUNCTIONS_CUSTOMHANDLER_PORT", &*port), ("AZURE_FUNCTIONS_ENVIRONMENT", "Development")];
    let mut product = Product::spawn(&mut product::command(&[&host[..], settings].concat()));
    product.http = address;
    let patience = Instant::now() + product::PATIENCE;
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < patience, "it does not listen");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    product
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_level_tells_a_secret() {
    let away = refusing();
    let bus = format!(
        "Endpoint=sb://{}/;SharedAccessKeyName=all;SharedAccessKey={BUS};UseDevelopmentEmulator=true",
        away.trim_start_matches("http://")
    );
    let tables = format!(
        "DefaultEndpointsProtocol=http;AccountName=chat;AccountKey={STORAGE};TableEndpoint={away}/chat;"
    );
    let service = format!("Endpoint={away};AccessKey={SERVICE};Version=1.0;");
    let (endpoint, tokens) = identity();
    for (level, queue, storage, transport, proof) in [
        ("trace", "embedded", "memory", "self", "key"),
        ("trace", "servicebus", "memory", "self", "key"),
        ("trace", "servicebus", "memory", "webpubsub", "key"),
        ("trace", "servicebus", "table", "webpubsub", "key"),
        ("trace", "servicebus", "memory", "webpubsub", "identity"),
        ("debug", "servicebus", "memory", "webpubsub", "identity"),
        ("debug", "embedded", "memory", "self", "key"),
        ("info", "servicebus", "memory", "self", "key"),
        ("warn", "servicebus", "table", "webpubsub", "key"),
        ("warn", "servicebus", "memory", "webpubsub", "identity"),
        ("error", "servicebus", "memory", "webpubsub", "identity"),
    ] {
        let host = away.trim_start_matches("http://");
        let access = match proof {
            "key" => vec![("ServiceBusConnection", &*bus), ("WEBPUBSUB_CONNECTION_STRING", &*service)],
            _ => vec![
                ("ServiceBusConnection__fullyQualifiedNamespace", host),
                ("WEBPUBSUB_ENDPOINT", &*away),
                ("USE_MANAGED_IDENTITY", "true"),
                ("IDENTITY_ENDPOINT", &*endpoint),
                ("IDENTITY_HEADER", IDENTITY),
            ],
        };
        let given = tokens.load(Ordering::Relaxed);
        let settings = [
            ("STORAGE_MODE", storage),
            ("TRANSPORT_MODE", transport),
            ("QUEUE_MODE", queue),
            ("AZURE_STORAGE_CONNECTION_STRING", &*tables),
            ("HUB_ACCESS_KEY", HUB),
            ("EVENTHANDLER_KEY", EVENTS),
            // So that a trigger waits for a second, and not for minutes.
            ("AzureFunctionsJobHost__functionTimeout", "00:00:31"),
            ("RUST_LOG", level),
        ];
        let product = started(&[&settings[..], &access].concat(), level).await;
        let token = use_all(&product).await;
        let lines = finished(product);
        let is_talkative = lines.iter().any(|line| line.contains("\"TRACE\"") || line.contains("\"DEBUG\""));
        assert_eq!(is_talkative, ["trace", "debug"].contains(&level), "{level}");
        assert_eq!(tokens.load(Ordering::Relaxed) > given, proof == "identity", "{proof}");
        let told = lines.join("\n");
        let advice = match (storage, proof) {
            ("table", _) => "may not do this",
            (_, "identity") => "the role `Azure Service Bus Data Sender`",
            _ => "",
        };
        assert!(level == "error" || told.contains(advice), "{level}, {storage}, {proof}: {told}");
        for line in lines.iter().map(|line| line.to_ascii_lowercase()) {
            for secret in
                PLANTED.iter().copied().chain(token.as_deref()).chain(["sharedaccesssignature", "?code="])
            {
                assert!(
                    !line.contains(secret),
                    "{level}, {queue}, {storage}, {transport}, {proof}: {secret} in {line}"
                );
            }
        }
    }
}
