//! Who is online, by real sockets through the real ports: coming, going, dying, and coming back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod product;

use std::collections::VecDeque;

use futures_util::{SinkExt, StreamExt};
use product::{Answer, PATIENCE, Product};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// A keep-alive that a test can wait for.
const SHORT: (&str, &str) = ("HUB_KEEP_ALIVE_MS", "500");

struct Plain {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Comings and goings that came by while something else was waited for.
    passed: VecDeque<(Value, Value)>,
}

impl Plain {
    async fn connect(product: &Product, user: &str) -> Self {
        let url = format!("ws://{}/ws?user_id={user}", product.hub.unwrap());
        let mut plain = Self { socket: connect_async(url).await.unwrap().0, passed: VecDeque::new() };
        // Once this is answered the connection is in its groups.
        plain.asks(&json!({"action": "get_rooms"}), "rooms_info").await;
        plain
    }

    async fn asks(&mut self, action: &Value, answer: &str) -> Value {
        self.socket.send(Message::text(action.to_string())).await.unwrap();
        self.until(|frame| frame["type"] == answer).await
    }

    async fn until(&mut self, wish: impl Fn(&Value) -> bool) -> Value {
        let waiting = async {
            loop {
                let Message::Text(text) = self.socket.next().await.unwrap().unwrap() else { continue };
                let frame: Value = serde_json::from_str(&text).unwrap();
                if wish(&frame) {
                    return frame;
                }
                if frame["type"] == "presence" {
                    self.passed.push_back((frame["online"].clone(), frame["offline"].clone()));
                }
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the frame comes")
    }

    /// The next that is told of comings and goings.
    async fn hears(&mut self) -> (Value, Value) {
        if let Some(passed) = self.passed.pop_front() {
            return passed;
        }
        let frame = self.until(|frame| frame["type"] == "presence").await;
        (frame["online"].clone(), frame["offline"].clone())
    }
}

fn join(product: &Product, users: &[&str]) {
    for user in users {
        assert_eq!(product.post(&format!("/api/rooms/general/join?user_id={user}"), "").status, 200);
    }
}

fn online(answer: &Answer) -> Value {
    answer.json()["users"].clone()
}

const ONLINE: &str = "/api/rooms/general/online";

/// Asks until the answer is as wished. In between `ann` reads her socket, so that she is no silent client.
async fn eventually(
    product: &Product,
    ann: &mut Plain,
    path: &str,
    wish: impl Fn(&Answer) -> bool,
) -> Answer {
    let waiting = async {
        loop {
            let answer = product.get(path);
            if wish(&answer) {
                return answer;
            }
            ann.asks(&json!({"action": "get_rooms"}), "rooms_info").await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it becomes so")
}

#[tokio::test]
async fn several_devices_are_one_user_and_the_last_one_counts() {
    let product = Product::alone(&[]);
    join(&product, &["ann", "bob", "cid"]);
    let mut ann = Plain::connect(&product, "ann").await;
    assert_eq!(ann.hears().await, (json!(["ann"]), json!([])));
    let phone = Plain::connect(&product, "bob").await;
    assert_eq!(ann.hears().await, (json!(["bob"]), json!([])));
    let desk = Plain::connect(&product, "bob").await;
    assert_eq!(online(&product.get(ONLINE)), json!(["ann", "bob"]));
    drop(phone);
    let _cid = Plain::connect(&product, "cid").await;
    assert_eq!(ann.hears().await, (json!(["cid"]), json!([])), "nothing of bob, before or after");
    assert_eq!(online(&product.get(ONLINE)), json!(["ann", "bob", "cid"]));
    drop(desk);
    eventually(&product, &mut ann, ONLINE, |answer| online(answer) == json!(["ann", "cid"])).await;
    let back = Plain::connect(&product, "bob").await;
    drop(back);
    assert_eq!(ann.hears().await, (json!([]), json!(["bob"])), "coming back in time shows nothing");
    let of = product.get("/api/presence?user=bob&user=eve&user=cid&user_id=ann").json()["presence"].clone();
    assert_eq!(
        (&of[0]["user"], &of[0]["online"], &of[2]["online"]),
        (&json!("bob"), &json!(false), &json!(true))
    );
    assert!(of[0]["last_seen"].is_string());
    assert_eq!(of[1], json!({"user": "eve", "online": false}));
    assert_eq!(online(&product.get(&format!("{ONLINE}?limit=1&after=ann"))), json!(["cid"]));
}

#[tokio::test]
async fn a_client_that_fell_silent_is_offline_soon() {
    let product = Product::alone(&[SHORT]);
    join(&product, &["ann", "bob"]);
    let mut ann = Plain::connect(&product, "ann").await;
    // Its socket stays open, and nobody reads it: pings are not answered.
    let _dead = Plain::connect(&product, "bob").await;
    eventually(&product, &mut ann, ONLINE, |answer| online(answer) == json!(["ann", "bob"])).await;
    eventually(&product, &mut ann, ONLINE, |answer| online(answer) == json!(["ann"])).await;
    let members = product.get("/api/rooms/general/members").json()["members"].clone();
    let told: Vec<_> = members.as_array().unwrap().iter().map(|one| (&one["user"], &one["online"])).collect();
    assert_eq!(told, [(&json!("ann"), &json!(true)), (&json!("bob"), &json!(false))]);
    while ann.hears().await.1 != json!(["bob"]) {}
}

#[tokio::test]
async fn a_reliable_client_that_may_still_recover_is_online() {
    let product = Product::alone(&[SHORT]);
    join(&product, &["bob"]);
    let url = product.get("/api/negotiate?user_id=bob").json()["url"].as_str().unwrap().to_owned();
    let mut request = url.into_client_request().unwrap();
    let protocol = "json.reliable.webpubsub.azure.v1".parse().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", protocol);
    let mut bob = connect_async(request).await.unwrap().0;
    assert!(matches!(bob.next().await.unwrap().unwrap(), Message::Text(_)));
    product.eventually(ONLINE, |answer| online(answer) == json!(["bob"]));
    drop(bob);
    let mut ann = Plain::connect(&product, "ann").await;
    for _ in 0..20 {
        ann.asks(&json!({"action": "get_rooms"}), "rooms_info").await;
        assert_eq!(online(&product.get(ONLINE)), json!(["bob"]));
    }
}

#[tokio::test]
async fn after_a_kill_who_does_not_come_back_is_offline() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("STORAGE_MODE", "file"), ("DATA_DIR", folder.path().to_str().unwrap())];
    let mut product = Product::alone(&settings);
    join(&product, &["ann", "bob"]);
    let (ann, bob) = (Plain::connect(&product, "ann").await, Plain::connect(&product, "bob").await);
    product.eventually("/api/presence?user=bob&user_id=ann", |answer| {
        let bob = &answer.json()["presence"][0];
        bob["online"] == true && bob["last_seen"].is_string()
    });
    product.signal("KILL");
    product.ended();
    drop((ann, bob));
    let product = Product::alone(&settings);
    assert_eq!(online(&product.get(ONLINE)), json!([]), "nobody is connected to this process");
    let _ann = Plain::connect(&product, "ann").await;
    product.eventually(ONLINE, |answer| online(answer) == json!(["ann"]));
    let bob = product.get("/api/presence?user=bob&user_id=ann").json()["presence"][0].clone();
    assert_eq!(bob["online"], false);
    assert!(bob["last_seen"].is_string(), "that he had come outlives the process: {bob}");
}

#[test]
fn mistakes_are_named() {
    let product = Product::alone(&[]);
    let too_many = format!("/api/presence?user_id=ann{}", "&user=x".repeat(101));
    let too_long = format!("/api/presence?user_id=ann&user={}", "x".repeat(129));
    for (path, status, code, field) in [
        ("/api/presence?user=bob", 400, "missing_user", "X-User-Id"),
        ("/api/presence?user_id=ann", 400, "missing_field", "user"),
        ("/api/presence?user_id=ann&user=", 400, "missing_field", "user"),
        (too_many.as_str(), 413, "too_many_users", "user"),
        (too_long.as_str(), 400, "too_long", "user"),
        ("/api/presence?user_id=ann&user=%FF", 400, "invalid_utf8", ""),
        ("/api/rooms/general/online?limit=0", 400, "invalid_limit", "limit"),
        ("/api/rooms/general/online?limit=few", 400, "invalid_field", "limit"),
        ("/api/rooms/nowhere/online", 404, "room_not_found", ""),
    ] {
        let answer = product.get(path);
        assert_eq!((answer.status, answer.error()), (status, (code.into(), field.into())), "{path}");
    }
    let den = product.post("/api/rooms?user_id=ann", r#"{"name":"Den","is_private":true}"#).json();
    let path = format!("/api/rooms/{}/online", den["id"].as_str().unwrap());
    assert_eq!(product.get(&format!("{path}?user_id=eve")).error().0, "room_not_found");
    assert_eq!(online(&product.get(&format!("{path}?user_id=ann"))), json!([]));
}
