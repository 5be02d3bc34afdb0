//! A client that speaks the subprotocol, frame by frame, so that it can ask for what no SDK would.

use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::product::Product;
use crate::product::listening::{Socket, until};

pub struct Client {
    socket: Socket,
    /// Every frame so far.
    pub heard: Vec<Value>,
    acks: u64,
}

impl Client {
    /// Through negotiate.
    pub async fn connect(product: &Product, user: &str) -> Self {
        let access = product.get(&format!("/api/negotiate?user_id={user}")).json();
        Self::connect_to(access["url"].as_str().unwrap()).await.unwrap()
    }

    /// With whatever token the URL has.
    pub async fn connect_to(url: &str) -> Result<Self, Error> {
        let mut request = url.into_client_request().unwrap();
        let protocol = "json.webpubsub.azure.v1".parse().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        let mut client = Self { socket: connect_async(request).await?.0, heard: Vec::new(), acks: 0 };
        client.until(|frame| frame["event"] == "connected").await;
        Ok(client)
    }

    /// Joins a group by a frame of its own; the name of the error, if it may not.
    pub async fn joins_group(&mut self, group: &str) -> Result<(), String> {
        self.acked(json!({"type": "joinGroup", "group": group})).await
    }

    /// Sends to a group by a frame of its own; the name of the error, if it may not.
    pub async fn sends_to_group(&mut self, group: &str) -> Result<(), String> {
        self.acked(json!({"type": "sendToGroup", "group": group, "dataType": "text", "data": "x"})).await
    }

    async fn acked(&mut self, mut frame: Value) -> Result<(), String> {
        self.acks += 1;
        let ack = self.acks;
        frame["ackId"] = ack.into();
        self.socket.send(Message::text(frame.to_string())).await.unwrap();
        let answer = self.until(|frame| frame["ackId"] == ack).await;
        if answer["success"] == true {
            return Ok(());
        }
        Err(answer["error"]["name"].as_str().unwrap().to_owned())
    }

    /// Invokes an event of the chat; the answer's data.
    pub async fn asks(&mut self, event: &str, data: Value) -> Value {
        self.acks += 1;
        let id = format!("i{}", self.acks);
        let frame = json!({"type": "invoke", "invocationId": id, "target": "event", "event": event,
            "dataType": "json", "data": data});
        self.socket.send(Message::text(frame.to_string())).await.unwrap();
        let is_answer = |frame: &Value| frame["type"] == "invokeResponse" && frame["invocationId"] == id;
        self.until(is_answer).await["data"].clone()
    }

    /// Reads on until a frame is as wished.
    pub async fn until(&mut self, wish: impl Fn(&Value) -> bool) -> Value {
        until("a client", &mut self.socket, &mut self.heard, wish).await
    }

    /// Whatever was sent to this connection before is heard.
    pub async fn catches_up(&mut self, product: &Product, user: &str) {
        let mark = format!("mark-{user}-{}", self.heard.len());
        let body = json!({"SenderID": "clock", "ReceiverID": user, "MessageText": mark});
        assert_eq!(product.post("/api/sendMessage", &body.to_string()).status, 200);
        self.until(|frame| frame["data"]["content"] == mark.as_str()).await;
    }

    /// Frames of a group so far.
    pub fn of_group(&self, group: &str) -> Vec<Value> {
        self.heard.iter().filter(|frame| frame["group"] == group).map(|frame| frame["data"].clone()).collect()
    }
}
