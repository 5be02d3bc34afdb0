//! People on plain sockets: each is one connection that writes down what it hears.

use std::collections::BTreeMap;

use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::product::Product;
use crate::product::listening::{Socket, until};

pub struct Person {
    pub name: String,
    socket: Socket,
    /// Every frame so far, answers too.
    pub heard: Vec<Value>,
}

impl Person {
    pub async fn connect(product: &Product, name: &str) -> Self {
        let url = format!("ws://{}/ws?user_id={name}", product.hub.unwrap());
        let mut person =
            Self { name: name.to_owned(), socket: connect_async(url).await.unwrap().0, heard: Vec::new() };
        // Once this is answered, the connection is in its groups.
        person.asks(json!({"action": "get_rooms"}), "rooms_info").await;
        person
    }

    /// Asks and waits for the answer of that type. A refusal fails the test.
    pub async fn asks(&mut self, action: Value, answer: &str) -> Value {
        self.socket.send(Message::text(action.to_string())).await.unwrap();
        let frame = self.until(|frame| frame["type"] == answer || frame["type"] == "error").await;
        assert_eq!(frame["type"], answer, "{}: {action} is answered {frame}", self.name);
        frame
    }

    /// Asks and waits for the refusal's code.
    pub async fn is_refused(&mut self, action: Value) -> String {
        self.socket.send(Message::text(action.to_string())).await.unwrap();
        let frame = self.until(|frame| frame["type"] == "error").await;
        frame["code"].as_str().unwrap().to_owned()
    }

    pub async fn joins(&mut self, room: &str) -> Value {
        self.asks(json!({"action": "join", "room_id": room}), "room_joined").await
    }

    pub async fn leaves(&mut self, room: &str) -> Value {
        self.asks(json!({"action": "leave", "room_id": room}), "room_left").await
    }

    pub async fn says(&mut self, room: &str, text: &str) -> Value {
        self.asks(json!({"action": "send", "room_id": room, "content": text}), "sent").await
    }

    /// Reads on until a frame is as wished.
    pub async fn until(&mut self, wish: impl Fn(&Value) -> bool) -> Value {
        until(&self.name, &mut self.socket, &mut self.heard, wish).await
    }

    pub async fn hears(&mut self, text: &str) -> Value {
        if let Some(frame) = self.heard.iter().find(|frame| frame["content"] == text) {
            return frame.clone();
        }
        self.until(|frame| frame["type"] == "message" && frame["content"] == text).await
    }

    /// A message of one's own to oneself: whatever was sent to this connection before it is heard.
    pub async fn catches_up(&mut self, product: &Product) {
        let mark = format!("mark-{}-{}", self.name, self.heard.len());
        let body = json!({"SenderID": "clock", "ReceiverID": self.name, "MessageText": mark});
        assert_eq!(product.post("/api/sendMessage", &body.to_string()).status, 200);
        self.hears(&mark).await;
    }

    /// Room messages heard live, by room.
    pub fn messages(&self) -> BTreeMap<String, Vec<String>> {
        let mut rooms: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for frame in self.heard.iter().filter(|frame| frame["type"] == "message") {
            if let (Some(room), Some(text)) = (frame["room_id"].as_str(), frame["content"].as_str()) {
                rooms.entry(room.to_owned()).or_default().push(text.to_owned());
            }
        }
        rooms
    }
}

/// Makes a public room; its id.
pub fn make_room(product: &Product, owner: &str, name: &str) -> String {
    let answer = product.post(&format!("/api/rooms?user_id={owner}"), &json!({"name": name}).to_string());
    assert!(answer.status == 200 || answer.status == 201, "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// The texts of a room's history, oldest first.
pub fn history(product: &Product, room: &str, reader: &str) -> Vec<String> {
    let answer = product.get(&format!("/api/rooms/{room}/messages?user_id={reader}&limit=500"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let messages = answer.json()["messages"].as_array().unwrap().clone();
    messages.iter().map(|message| message["content"].as_str().unwrap_or_default().to_owned()).collect()
}
