//! `TRANSPORT_MODE=webpubsub`: the program beside a hub process that stands for the service, whose events come back over
//! HTTP; with an access key, and with a managed identity whose endpoint is ours.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(unreachable_pub, reason = "shared with another test binary")]

#[path = "../product/mod.rs"]
mod product;
mod service;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use product as real_product;
use real_product::{Product, call};
use serde_json::json;
use service::{Client, HUB, KEY, free_port, hub, hub_at, program, story, with_key};
use webpubsub::key::AccessKey;
use webpubsub::token::mint_rest_token;

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
            ("EVENTHANDLER_KEY", "a/secret&more long"),
            ("WEBPUBSUB_EVENT_KEYS", KEY),
            ("RUST_LOG", "trace"),
        ],
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_managed_identity_does_what_a_key_does_with_one_token() {
    let port = free_port();
    let hub = hub(port, "?code=a%2Fsecret%26more%20long");
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
    let hub = hub(port, "?code=a%2Fsecret%26more%20long");
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
