//! What one connection hears. A frame may come twice; what counts is that each entry comes, and in which order it comes
//! first.

use serde_json::{Value, json};

use crate::client::Socket;

pub(crate) struct Ear {
    socket: Socket,
    heard: Vec<Value>,
    asked: u64,
}

impl Ear {
    pub(crate) fn new(socket: Socket) -> Self {
        Self { socket, heard: Vec::new(), asked: 0 }
    }

    pub(crate) fn forget(&mut self) {
        self.heard.clear();
    }

    /// Types and places of what came.
    pub(crate) fn summary(&self) -> String {
        let one = |data: &Value| format!("{} {}", data["type"], data["seq"]);
        self.heard.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    /// Listens until everything that is wanted has come.
    async fn listen(&mut self, until: impl Fn(&[Value]) -> bool) {
        while !until(&self.heard) {
            let mut frame = self.socket.next().await;
            self.heard.push(frame["data"].take());
        }
    }

    /// These entries of a room, in their order.
    pub(crate) async fn has_heard(&mut self, room: &str, seqs: &[u64]) {
        let place = |heard: &[Value], seq: &u64| {
            heard.iter().position(|data| data["room_id"] == room && data["seq"] == *seq)
        };
        self.listen(|heard| seqs.iter().all(|seq| place(heard, seq).is_some())).await;
        let places: Vec<_> = seqs.iter().map(|seq| place(&self.heard, seq)).collect();
        assert!(places.is_sorted(), "out of order: {:#?}", self.heard);
    }

    /// These messages, in their order.
    pub(crate) async fn has_heard_messages(&mut self, ids: &[String]) {
        let place = |heard: &[Value], id: &str| {
            heard.iter().position(|data| data["type"] == "message" && data["id"] == id)
        };
        self.listen(|heard| ids.iter().all(|id| place(heard, id).is_some())).await;
        let places: Vec<_> = ids.iter().map(|id| place(&self.heard, id)).collect();
        assert!(places.is_sorted(), "out of order: {:#?}", self.heard);
    }

    /// That this message was refused when it was delivered.
    pub(crate) async fn has_heard_rejection(&mut self, id: &str) {
        let is_it = |data: &Value| data["type"] == "rejected" && data["id"] == id;
        self.listen(|heard| heard.iter().any(is_it)).await;
    }

    /// Whether this message comes before the socket ends.
    pub(crate) async fn hears_before_its_end(&mut self, id: &str) -> bool {
        while let Some(message) = self.socket.next_message().await {
            if message["id"] == id {
                return true;
            }
        }
        false
    }

    /// Whether this message came so far.
    pub(crate) fn knows(&self, id: &str) -> bool {
        self.heard.iter().any(|data| data["type"] == "message" && data["id"] == id)
    }

    /// Asks over the socket until it succeeds; the answer. What failed must be worth a repeat.
    pub(crate) async fn invoke(&mut self, event: &str, data: &Value) -> Value {
        loop {
            self.asked += 1;
            let id = self.asked.to_string();
            let frame = json!({ "type": "invoke", "invocationId": id, "target": "event", "event": event,
                "dataType": "json", "data": data });
            self.socket.send(&frame).await;
            let answer = loop {
                let mut frame = self.socket.next().await;
                if frame["type"] == "invokeResponse" && frame["invocationId"] == id.as_str() {
                    break frame;
                }
                self.heard.push(frame["data"].take());
            };
            if answer["success"] == true {
                assert_ne!(answer["data"]["type"], "error", "{answer}");
                return answer["data"].clone();
            }
        }
    }
}
