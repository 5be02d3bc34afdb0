//! A message's life after it was said, over real HTTP and real sockets: edited, reacted to, pinned, read, deleted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod product;

use futures_util::{SinkExt, StreamExt};
use product::{Answer, PATIENCE, Product, call};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

struct Plain(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Plain {
    async fn connect(product: &Product, user: &str) -> Self {
        let url = format!("ws://{}/ws?user_id={user}", product.hub.unwrap());
        Self(connect_async(url).await.unwrap().0)
    }

    async fn asks(&mut self, frame: Value) -> Value {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
        self.next().await
    }

    /// The next frame about a message. A hand-over of the inbox may come between: a message that arrives while its receiver
    /// connects is told both ways.
    async fn next(&mut self) -> Value {
        let waiting = async {
            loop {
                if let Message::Text(text) = self.0.next().await.unwrap().unwrap() {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    if !["inbox", "presence"].contains(&frame["type"].as_str().unwrap_or_default()) {
                        return frame;
                    }
                }
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("a frame comes")
    }
}

fn ask(product: &Product, who: &str, method: &str, path: &str, body: &Value) -> Answer {
    let headers = [("x-user-id", who), ("content-type", "application/json")];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    call(product.http, method, path, &headers, body.as_bytes())
}

fn ok(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[tokio::test]
async fn a_message_is_changed_and_everybody_sees_it() {
    let product = Product::alone(&[]);
    let mut bob = Plain::connect(&product, "bob").await;
    let mut ann = Plain::connect(&product, "ann").await;
    let mut phone = Plain::connect(&product, "ann").await;
    for (who, socket) in [("bob", &mut bob), ("ann", &mut ann)] {
        assert_eq!(
            socket.asks(json!({"action": "join", "room_id": "general"})).await["type"],
            "room_joined",
            "{who}"
        );
    }
    assert_eq!(bob.next().await["type"], "joined");
    let sent = ann.asks(json!({"action": "send", "room_id": "general", "content": "helo"})).await;
    let seq = sent["seq"].as_u64().unwrap();
    assert_eq!((&bob.next().await["seq"], &phone.next().await["seq"]), (&sent["seq"], &sent["seq"]));
    let path = format!("/api/rooms/general/messages/{seq}");

    let refused = ask(&product, "bob", "PATCH", &path, &json!({"content": "mine"}));
    assert_eq!((refused.status, refused.error().0), (403, "not_the_author".into()));
    let edited = ok(&ask(&product, "ann", "PATCH", &path, &json!({"content": "hello"})));
    assert_eq!((&edited["content"], &edited["as_of"]), (&json!("hello"), &json!(seq + 1)));
    for socket in [&mut bob, &mut ann, &mut phone] {
        let frame = socket.next().await;
        assert_eq!(
            (&frame["type"], &frame["target"], &frame["content"]),
            (&json!("edit"), &json!(seq), &json!("hello"))
        );
    }

    let reacted = ann.asks(json!({"action": "react", "room_id": "general", "seq": seq, "emoji": "👍"})).await;
    assert_eq!((&reacted["type"], &reacted["reactions"]), (&json!("reacted"), &json!({"👍": 1})));
    for socket in [&mut bob, &mut phone] {
        assert_eq!(
            socket.next().await["type"],
            "reaction",
            "other connections, the user's own too, hear of it"
        );
    }
    let reactions = ok(&ask(&product, "bob", "PUT", &format!("{path}/reactions"), &json!({"emoji": "👍"})));
    assert_eq!(reactions, json!({"seq": seq, "reactions": {"👍": 2}, "mine": ["👍"]}));
    for socket in [&mut bob, &mut ann, &mut phone] {
        assert_eq!(socket.next().await["by"], "bob");
    }

    let refused = ask(&product, "bob", "DELETE", &path, &Value::Null);
    assert_eq!((refused.status, refused.error().0), (403, "not_permitted".into()));
    for time in ["first", "again"] {
        let deleted = ok(&ask(&product, "ann", "DELETE", &path, &Value::Null));
        assert_eq!((&deleted["content"], deleted["deleted_at"].is_string()), (&json!(""), true), "{time}");
    }
    assert_eq!(bob.next().await["type"], "delete");
    let history = ok(&product.get("/api/rooms/general/messages"));
    let last = history["messages"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["content"], &last["as_of"]), (&json!(""), &json!(seq + 4)));
    let late = ask(&product, "ann", "PATCH", &path, &json!({"content": "x"}));
    assert_eq!((late.status, late.error().0), (409, "message_deleted".into()));
    for (method, path) in [("GET", "/api/rooms/general/messages/999"), ("DELETE", "/api/messages/1?with=bob")]
    {
        let unknown = ask(&product, "ann", method, path, &Value::Null);
        assert_eq!((unknown.status, unknown.error().0), (404, "message_not_found".into()));
    }
    let wrong = product.get("/api/rooms/general/messages/first");
    assert_eq!((wrong.status, wrong.error().1), (400, "seq".into()));
}

#[tokio::test]
async fn a_direct_message_is_changed_between_two_and_the_room_keeps_its_pins() {
    let product = Product::alone(&[("STORAGE_MODE", "memory")]);
    let mut bob = Plain::connect(&product, "bob").await;
    ok(&ask(&product, "ann", "PUT", "/api/me", &json!({"display_name": "Ann"})));
    let mut ann = Plain::connect(&product, "ann").await;
    ann.asks(json!({"action": "send", "to": "bob", "content": "psst"})).await;
    let heard = bob.next().await;
    assert_eq!((&heard["sender_name"], &heard["to"]), (&json!("Ann"), &json!("bob")));
    let edited = ann.asks(json!({"action": "edit", "with": "bob", "seq": 1, "content": "hey"})).await;
    assert_eq!(
        (&edited["type"], &edited["to"], &edited["message"]["content"]),
        (&json!("edited"), &json!("bob"), &json!("hey"))
    );
    assert_eq!((&bob.next().await["content"], edited["conversation"].is_string()), (&json!("hey"), true));
    ok(&ask(&product, "bob", "PUT", "/api/messages/1/reactions?with=ann", &json!({"emoji": "👋"})));
    let frame = bob.next().await;
    assert_eq!(
        (&frame["type"], &frame["by"], &frame["to"]),
        (&json!("reaction"), &json!("bob"), &json!("ann"))
    );
    ok(&ask(&product, "ann", "DELETE", "/api/messages/1?with=bob", &Value::Null));
    assert_eq!(ok(&ask(&product, "bob", "GET", "/api/inbox", &Value::Null))["messages"], json!([]));

    let room = ask(&product, "ann", "POST", "/api/rooms", &json!({"name": "Tea"})).json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    ok(&ask(&product, "bob", "POST", &format!("/api/rooms/{room}/join"), &Value::Null));
    assert_eq!(ann.next().await["type"], "reaction");
    let pins = format!("/api/rooms/{room}/pins");
    let sent = bob.asks(json!({"action": "send", "room_id": room, "content": "keep this"})).await;
    // The deletion comes to both before.
    let sent = if sent["type"] == "delete" { bob.next().await } else { sent };
    let seq = sent["seq"].as_u64().unwrap();
    let refused = ask(&product, "bob", "PUT", &format!("{pins}/{seq}"), &Value::Null);
    assert_eq!((refused.status, refused.error().0), (403, "not_permitted".into()));
    assert_eq!(
        ok(&ask(&product, "ann", "PUT", &format!("{pins}/{seq}"), &Value::Null))["pins"],
        json!([seq])
    );
    let pinned = ok(&ask(&product, "bob", "GET", &pins, &Value::Null));
    assert_eq!(pinned["messages"][0]["content"], "keep this");
    ok(&ask(&product, "bob", "DELETE", &format!("/api/rooms/{room}/messages/{seq}"), &Value::Null));
    assert_eq!(ok(&ask(&product, "bob", "GET", &pins, &Value::Null)), json!({"messages": []}));
    let readers =
        ok(&ask(&product, "bob", "GET", &format!("/api/rooms/{room}/messages/{seq}/readers"), &Value::Null));
    assert!(readers["readers"].is_array(), "{readers}");
}
