//! Web PubSub clients as an SDK, or somebody without good intentions, drives them.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use webpubsub::key::AccessKey;
use webpubsub::names::HubName;
use webpubsub::token::{ClientToken, client_url};

use crate::product::Product;
use crate::product::listening::{Socket, until};

const HUB: &str = "demo_ai_chat";

/// A client of the reliable subprotocol that writes down what it hears.
pub struct Live {
    socket: Socket,
    user: String,
    hello: Value,
    heard: Vec<Value>,
    acks: u64,
}

/// The query by which a connection that broke off is taken up again.
pub struct WayBack(String);

pub fn negotiate(product: &Product, user: &str) -> String {
    let answer = product.get(&format!("/api/negotiate?user_id={user}"));
    answer.json()["url"].as_str().unwrap().to_owned()
}

/// The rights that a URL's token claims.
pub fn roles_of(url: &str) -> Vec<String> {
    let claims = URL_SAFE_NO_PAD.decode(url.split('.').rev().nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    let roles = claims["role"].as_array().cloned().unwrap_or_default();
    roles.iter().map(|role| role.as_str().unwrap().to_owned()).collect()
}

/// A URL that somebody signed who has the key, with every right to the group and the group itself.
pub fn forged_url(product: &Product, key: &str, user: &str, group: &str) -> String {
    let (base, hub) = (format!("http://{}", product.http), HubName::new(HUB).unwrap());
    #[allow(clippy::disallowed_methods, reason = "the program under test has the real clock too")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut token = ClientToken::new(&base, &hub, now, 3600);
    token.user_id = Some(user.to_owned());
    token.roles = ["joinLeaveGroup", "sendToGroup"]
        .iter()
        .flat_map(|right| [format!("webpubsub.{right}"), format!("webpubsub.{right}.{group}")])
        .collect();
    token.groups = vec![group.to_owned()];
    client_url(&base, &hub, &token.sign(&AccessKey::new(key).unwrap()).unwrap())
}

impl Live {
    pub async fn negotiated(product: &Product, user: &str) -> Self {
        Self::open(&negotiate(product, user), user).await
    }

    pub async fn open(url: &str, user: &str) -> Self {
        let mut live = Self::dial(url, user).await;
        live.hello = live.until(|frame| frame["event"] == "connected").await;
        assert_eq!(live.hello["userId"], user);
        // Once this is answered, what follows a connect has been done.
        live.asks("get_rooms", json!({})).await;
        live
    }

    pub async fn recovered(product: &Product, user: &str, WayBack(query): &WayBack) -> Self {
        let url = format!("ws://{}/client/hubs/{HUB}?{query}", product.http);
        let mut live = Self::dial(&url, user).await;
        live.acks = 1_000;
        live.asks("get_rooms", json!({})).await;
        live
    }

    async fn dial(url: &str, user: &str) -> Self {
        let mut request = url.into_client_request().unwrap();
        let protocol = "json.reliable.webpubsub.azure.v1".parse().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        let socket = connect_async(request).await.unwrap().0;
        Self { socket, user: user.to_owned(), hello: Value::Null, heard: Vec::new(), acks: 0 }
    }

    /// Is gone without a word.
    pub fn breaks_off(self) -> WayBack {
        let text = |name: &str| self.hello[name].as_str().unwrap().to_owned();
        let (id, token) = (text("connectionId"), text("reconnectionToken"));
        WayBack(format!("awps_connection_id={id}&awps_reconnection_token={token}"))
    }

    pub async fn joins_group(&mut self, group: &str) -> Result<(), String> {
        self.is_acknowledged(json!({"type": "joinGroup", "group": group})).await
    }

    pub async fn sends_to_group(&mut self, group: &str) -> Result<(), String> {
        self.is_acknowledged(json!({"type": "sendToGroup", "group": group, "dataType": "text", "data": "x"}))
            .await
    }

    async fn is_acknowledged(&mut self, mut frame: Value) -> Result<(), String> {
        self.acks += 1;
        let id = self.acks;
        frame["ackId"] = id.into();
        self.send(&frame).await;
        let ack = self.until(|frame| frame["type"] == "ack" && frame["ackId"] == id).await;
        if ack["success"] == true { Ok(()) } else { Err(ack["error"]["name"].as_str().unwrap().to_owned()) }
    }

    /// Invokes an action; its answer.
    pub async fn asks(&mut self, action: &str, data: Value) -> Value {
        self.acks += 1;
        let id = self.acks.to_string();
        let frame = json!({
            "type": "invoke", "invocationId": id, "target": "event", "event": action, "dataType": "json", "data": data
        });
        self.send(&frame).await;
        let answer =
            self.until(|frame| frame["type"] == "invokeResponse" && frame["invocationId"] == *id).await;
        answer["data"].clone()
    }

    pub async fn hears(&mut self, text: &str) {
        if !self.texts().iter().any(|heard| heard == text) {
            self.until(|frame| frame["data"]["content"] == text).await;
        }
    }

    /// A message of one's own: whatever was sent to this connection before it is heard.
    pub async fn catches_up(&mut self, product: &Product) {
        let mark = format!("mark of {}", self.hello["connectionId"]);
        let body = json!({"SenderID": "clock", "ReceiverID": self.user, "MessageText": mark});
        assert_eq!(product.post("/api/sendMessage", &body.to_string()).status, 200);
        self.hears(&mark).await;
    }

    /// Contents of the messages heard.
    pub fn texts(&self) -> Vec<String> {
        let texts = self.heard.iter().filter_map(|frame| frame["data"]["content"].as_str());
        texts.map(str::to_owned).collect()
    }

    async fn send(&mut self, frame: &Value) {
        self.socket.send(Message::text(frame.to_string())).await.unwrap();
    }

    async fn until(&mut self, wish: impl Fn(&Value) -> bool) -> Value {
        until(&self.user, &mut self.socket, &mut self.heard, wish).await
    }
}
