//! `TRANSPORT_MODE=webpubsub`: the program beside a hub process that stands for the service, whose events come back over
//! HTTP; with an access key, and with a managed identity whose endpoint is ours.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod product;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, StatusCode};
use product::{PATIENCE, Product, call, command};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use webpubsub::key::AccessKey;
use webpubsub::token::mint_rest_token;

const KEY: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH";
const HUB: &str = "demo_ai_chat";

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A hub process whose events go to `api/eventhandler` at a port.
fn hub(events_to: u16, query: &str) -> Product {
    hub_at("0", events_to, query)
}

fn hub_at(port: &str, events_to: u16, query: &str) -> Product {
    let upstream = format!("{HUB}=http://127.0.0.1:{events_to}/api/eventhandler{query}");
    let mut hub = Product::spawn(command(&[]).args(["hub", "--port", port, "--upstream", &upstream]));
    let line = hub.wait_for("  Clients  ws://");
    let address = line.trim_start_matches("  Clients  ws://").split('/').next().unwrap();
    hub.http = address.parse().unwrap();
    hub
}

/// The program at a port, once it is ready.
fn program(port: u16, settings: &[(&str, &str)]) -> Product {
    let port = port.to_string();
    let mut all = vec![("PORT", port.as_str()), ("TRANSPORT_MODE", "webpubsub")];
    all.extend_from_slice(settings);
    let mut product = Product::spawn(&mut command(&all));
    product.http = format!("127.0.0.1:{port}").parse().unwrap();
    product.wait_for("  API      ");
    product.eventually("/api/health", |answer| answer.status == 200);
    product
}

fn with_key(hub: &Product) -> String {
    format!("Endpoint=http://{};AccessKey={KEY};Version=1.0;", hub.http)
}

/// A client of the protocol, as the official ones are.
struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>, Vec<Value>);

impl Client {
    async fn connect(product: &Product, hub: &Product, user: &str) -> Self {
        let access = product.get(&format!("/api/negotiate?user_id={user}"));
        let url = access.json()["url"].as_str().unwrap_or_else(|| panic!("{}", access.text())).to_owned();
        assert!(url.starts_with(&format!("ws://{}/client/hubs/{HUB}?access_token=", hub.http)), "{url}");
        let mut request = url.into_client_request().unwrap();
        let protocol = "json.reliable.webpubsub.azure.v1".parse().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        let mut client = Self(connect_async(request).await.unwrap().0, Vec::new());
        let hello = client.until(|frame| frame["event"] == "connected").await;
        assert_eq!(hello["userId"], user);
        client
    }

    async fn send(&mut self, frame: Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    async fn until(&mut self, wish: impl Fn(&Value) -> bool) -> Value {
        let waiting = async {
            loop {
                if let Message::Text(text) = self.0.next().await.unwrap().unwrap() {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    self.1.push(frame.clone());
                    if wish(&frame) {
                        return frame;
                    }
                }
            }
        };
        let frame = tokio::time::timeout(PATIENCE, waiting).await;
        frame.unwrap_or_else(|_| panic!("it does not come; these did: {:#?}", self.1))
    }

    /// Sends an event and waits for its ack; the answer, which comes before it.
    async fn event(&mut self, ack: u32, event: &str, data: Value) -> Value {
        self.send(json!({"type":"event","event":event,"ackId":ack,"dataType":"json","data":data})).await;
        let answer = self.until(|frame| frame["from"] == "server").await;
        let acked = self.until(|frame| frame["type"] == "ack" && frame["ackId"] == ack).await;
        assert_eq!(acked["success"], true, "{acked}");
        answer["data"].clone()
    }

    async fn hears(&mut self, text: &str) -> Value {
        self.until(|frame| frame["data"]["type"] == "message" && frame["data"]["content"] == text).await
    }
}

/// Negotiate, connect, join, send, receive; a ban takes the connection out of the group for good.
async fn story(product: &Product, hub: &Product) {
    let room = call(
        product.http,
        "POST",
        "/api/rooms?user_id=ann",
        &[("content-type", "application/json")],
        br#"{"name":"Tea"}"#,
    );
    let room = room.json()["id"].as_str().unwrap_or_else(|| panic!("{}", room.text())).to_owned();
    let mut ann = Client::connect(product, hub, "ann").await;
    let mut bob = Client::connect(product, hub, "bob").await;
    let joined = bob.event(1, "join", json!({"room_id": room})).await;
    assert_eq!(joined["type"], "room_joined", "{joined}");
    let sent =
        bob.event(2, "send", json!({"room_id": room, "content": "over the socket", "id": "m-1"})).await;
    assert_eq!((&sent["type"], &sent["id"]), (&json!("sent"), &json!("m-1")), "{sent}");
    let heard = ann.hears("over the socket").await;
    assert_eq!((&heard["group"], &heard["data"]["sender"]), (&json!(format!("room_{room}")), &json!("bob")));
    let body = json!({"SenderID": "ann", "RoomID": room, "MessageText": "over the queue"}).to_string();
    assert_eq!(product.post("/api/sendMessage", &body).status, 200);
    bob.hears("over the queue").await;

    let ban = json!({"user": "bob", "reason": "loud"}).to_string();
    let banned = product.post(&format!("/api/rooms/{room}/bans?user_id=ann"), &ban);
    assert_eq!(banned.status, 200, "{}", banned.text());
    let body = json!({"SenderID": "ann", "RoomID": room, "MessageText": "without bob"}).to_string();
    assert_eq!(product.post("/api/sendMessage", &body).status, 200);
    ann.hears("without bob").await;
    // He is still connected, hears what is his alone, and cannot bring himself back.
    let body = json!({"SenderID": "ann", "ReceiverID": "bob", "MessageText": "you were loud"}).to_string();
    assert_eq!(product.post("/api/sendMessage", &body).status, 200);
    bob.hears("you were loud").await;
    assert!(!bob.1.iter().any(|frame| frame["data"]["content"] == "without bob"), "{:#?}", bob.1);
    bob.send(json!({"type":"joinGroup","group":format!("room_{room}"),"ackId":3})).await;
    assert_eq!(bob.until(|frame| frame["ackId"] == 3).await["error"]["name"], "Forbidden");
    let again = bob.event(4, "join", json!({"room_id": room})).await;
    assert_eq!(again["type"], "error", "{again}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_elsewhere_does_what_the_embedded_hub_does() {
    let port = free_port();
    let hub = hub(port, "");
    let product = program(port, &[("WEBPUBSUB_CONNECTION_STRING", &with_key(&hub))]);
    let ready = product.get("/api/readyz");
    assert_eq!((ready.status, &ready.json()["checks"]["transport"]["ok"]), (200, &json!(true)));
    story(&product, &hub).await;
    // The hub's own routes are not here.
    assert_eq!(product.get(&format!("/client/hubs/{HUB}")).status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_files_it_does_the_same() {
    let data = tempfile::tempdir().unwrap();
    let port = free_port();
    let hub = hub(port, "");
    let settings = [
        ("WEBPUBSUB_CONNECTION_STRING", with_key(&hub)),
        ("STORAGE_MODE", "file".to_owned()),
        ("DATA_DIR", data.path().display().to_string()),
    ];
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let product = program(port, &settings);
    story(&product, &hub).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_service_is_away_messages_wait() {
    let port = free_port();
    let mut hub = hub(port, "");
    let product = program(port, &[("WEBPUBSUB_CONNECTION_STRING", &with_key(&hub))]);
    hub.signal("KILL");
    hub.ended();
    let ready = product.eventually("/api/readyz", |answer| answer.status == 503);
    assert_eq!(ready.json()["checks"]["transport"]["ok"], false);
    let body = r#"{"SenderID":"ann","RoomID":"general","MessageText":"into the dark"}"#;
    assert_eq!(product.post("/api/sendMessage", body).status, 200);
    // What is stored is read, whoever is away.
    product.eventually("/api/rooms/general/messages", |answer| answer.text().contains("into the dark"));
    let again = hub_at(&hub.http.port().to_string(), port, "");
    product.eventually("/api/readyz", |answer| answer.status == 200);
    let mut bob = Client::connect(&product, &again, "bob").await;
    assert_eq!(bob.event(1, "join", json!({"room_id": "general"})).await["type"], "room_joined");
    for text in ["it is light", "and lighter"] {
        let body = json!({"SenderID": "ann", "RoomID": "general", "MessageText": text}).to_string();
        assert_eq!(product.post("/api/sendMessage", &body).status, 200);
    }
    bob.hears("it is light").await;
    bob.hears("and lighter").await;
    let history = product.get("/api/rooms/general/messages").json();
    let texts: Vec<_> =
        history["messages"].as_array().unwrap().iter().map(|m| m["content"].clone()).collect();
    assert_eq!(texts, ["into the dark", "it is light", "and lighter"]);
}

/// The endpoint that App Service gives an app for its identity. What it hands out is a token that our hub takes.
#[derive(Clone)]
struct IdentityEndpoint {
    hub: SocketAddr,
    asked: Arc<AtomicUsize>,
    /// What it answers next; 200 gives a token.
    status: Arc<AtomicU16>,
}

const IDENTITY_HEADER: &str = "the app's own secret";

async fn give(
    State(endpoint): State<IdentityEndpoint>,
    Query(query): Query<std::collections::BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    endpoint.asked.fetch_add(1, Ordering::SeqCst);
    assert_eq!(headers["x-identity-header"], IDENTITY_HEADER);
    assert_eq!(query["resource"], "https://webpubsub.azure.com");
    assert_eq!(query["api-version"], "2019-08-01");
    let status = endpoint.status.load(Ordering::SeqCst);
    if status != 200 {
        return (StatusCode::from_u16(status).unwrap(), "not now").into_response();
    }
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let url = format!("http://{}/api/hubs/{HUB}", endpoint.hub);
    let token = mint_rest_token(&AccessKey::new(KEY).unwrap(), &url, now, 86_400).unwrap();
    axum::Json(json!({
        "access_token": token, "expires_on": (now + 86_400).to_string(), "resource": query["resource"],
        "token_type": "Bearer", "client_id": "x",
    }))
    .into_response()
}

async fn identity_endpoint(hub: SocketAddr, status: u16) -> (IdentityEndpoint, String) {
    let endpoint = IdentityEndpoint { hub, asked: Arc::default(), status: Arc::new(AtomicU16::new(status)) };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/msi/token/", listener.local_addr().unwrap());
    let router =
        axum::Router::new().route("/msi/token/", axum::routing::get(give)).with_state(endpoint.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (endpoint, url)
}

fn with_identity(port: u16, hub: &Product, endpoint: &str) -> Product {
    program(
        port,
        &[
            ("WEBPUBSUB_ENDPOINT", &format!("http://{}", hub.http)),
            ("USE_MANAGED_IDENTITY", "true"),
            ("IDENTITY_ENDPOINT", endpoint),
            ("IDENTITY_HEADER", IDENTITY_HEADER),
            ("EVENTHANDLER_KEY", "a/secret&more"),
            ("RUST_LOG", "trace"),
        ],
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_managed_identity_does_what_a_key_does_with_one_token() {
    let port = free_port();
    let hub = hub(port, "?code=a%2Fsecret%26more");
    let (endpoint, url) = identity_endpoint(hub.http, 200).await;
    let mut product = with_identity(port, &hub, &url);
    let address = product.http;
    let asking: Vec<_> = (0..100)
        .map(|n| {
            tokio::task::spawn_blocking(move || {
                call(address, "GET", &format!("/api/negotiate?user_id=u{n}"), &[], b"")
            })
        })
        .collect();
    for asked in asking {
        let answer = asked.await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    story(&product, &hub).await;
    assert_eq!(endpoint.asked.load(Ordering::SeqCst), 1);
    // Who does not know the secret is no service.
    let forged = call(
        address,
        "POST",
        "/api/eventhandler?code=guessed",
        &[("ce-type", "azure.webpubsub.sys.connect")],
        b"{}",
    );
    assert_eq!(forged.status, 401, "{}", forged.text());
    product.signal("TERM");
    assert!(product.ended().success());
    for line in product.all_lines() {
        for secret in ["eyJ", IDENTITY_HEADER, "a/secret", "a%2Fsecret"] {
            assert!(!line.contains(secret), "{line}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_identity_that_is_not_there_is_a_sentence_in_the_log() {
    let port = free_port();
    let hub = hub(port, "?code=a%2Fsecret%26more");
    let (endpoint, url) = identity_endpoint(hub.http, 400).await;
    let mut product = with_identity(port, &hub, &url);
    let refused = product.get("/api/negotiate?user_id=ann");
    assert_eq!(refused.status, 503);
    assert!(refused.header("retry-after").is_some());
    product.wait_for("az functionapp identity assign");
    endpoint.status.store(200, Ordering::SeqCst);
    product.eventually("/api/negotiate?user_id=ann", |answer| answer.status == 200);
    assert_eq!(product.eventually("/api/readyz", |answer| answer.status == 200).status, 200);
}
