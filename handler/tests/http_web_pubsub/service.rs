//! A hub process that stands for the service, the program beside it, and the story they play.

use std::net::TcpListener;

use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::real_product::listening::{Socket, until};
use crate::real_product::{Product, call, command};

pub const KEY: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH";
pub const HUB: &str = "demo_ai_chat";

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A hub process whose events go to `api/eventhandler` at a port.
pub fn hub(events_to: u16, query: &str) -> Product {
    hub_at("0", events_to, query)
}

pub fn hub_at(port: &str, events_to: u16, query: &str) -> Product {
    let upstream = format!("{HUB}=http://127.0.0.1:{events_to}/api/eventhandler{query}");
    let mut hub = Product::spawn(command(&[]).args(["hub", "--port", port, "--upstream", &upstream]));
    let line = hub.wait_for("  Clients  ws://");
    let address = line.trim_start_matches("  Clients  ws://").split('/').next().unwrap();
    hub.http = address.parse().unwrap();
    hub
}

/// The program at a port, once it is ready.
pub fn program(port: u16, settings: &[(&str, &str)]) -> Product {
    let port = port.to_string();
    let mut all = vec![("PORT", port.as_str()), ("TRANSPORT_MODE", "webpubsub")];
    all.extend_from_slice(settings);
    let mut product = Product::spawn(&mut command(&all));
    product.http = format!("127.0.0.1:{port}").parse().unwrap();
    product.wait_for("  API      ");
    product.eventually("/api/health", |answer| answer.status == 200);
    product
}

pub fn with_key(hub: &Product) -> String {
    format!("Endpoint=http://{};AccessKey={KEY};Version=1.0;", hub.http)
}

/// A client of the protocol, as the official ones are.
pub struct Client(Socket, Vec<Value>);

impl Client {
    pub async fn connect(product: &Product, hub: &Product, user: &str) -> Self {
        let access = product.get(&format!("/api/negotiate?user_id={user}"));
        let url = access.json()["url"].as_str().unwrap_or_else(|| panic!("{}", access.text())).to_owned();
        Self::connect_at(&url, hub, user).await
    }

    /// By the URL that negotiate handed out.
    pub async fn connect_at(url: &str, hub: &Product, user: &str) -> Self {
        assert!(url.starts_with(&format!("ws://{}/client/hubs/{HUB}?access_token=", hub.http)), "{url}");
        let mut request = url.into_client_request().unwrap();
        let protocol = "json.reliable.webpubsub.azure.v1".parse().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        let mut client = Self(connect_async(request).await.unwrap().0, Vec::new());
        let hello = client.until(|frame| frame["event"] == "connected").await;
        assert_eq!(hello["userId"], user);
        client
    }

    pub async fn send(&mut self, frame: Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    pub async fn until(&mut self, wish: impl Fn(&Value) -> bool) -> Value {
        until("a client", &mut self.0, &mut self.1, wish).await
    }

    /// Sends an event and waits for its ack; the answer, which comes before it.
    pub async fn event(&mut self, ack: u32, event: &str, data: Value) -> Value {
        self.send(json!({"type":"event","event":event,"ackId":ack,"dataType":"json","data":data})).await;
        let answer = self.until(|frame| frame["from"] == "server").await;
        let acked = self.until(|frame| frame["type"] == "ack" && frame["ackId"] == ack).await;
        assert_eq!(acked["success"], true, "{acked}");
        answer["data"].clone()
    }

    pub async fn hears(&mut self, text: &str) -> Value {
        self.until(|frame| frame["data"]["type"] == "message" && frame["data"]["content"] == text).await
    }
}

/// Negotiate, connect, join, send, receive; a ban takes the connection out of the group for good.
pub async fn story(product: &Product, hub: &Product) {
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
