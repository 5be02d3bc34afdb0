//! What was deleted stays deleted: over every way of reading, and over a killed process.

use serde_json::{Value, json};

use crate::people::{Person, make_room};
use crate::product::{Product, call};

fn ask(product: &Product, who: &str, method: &str, path: &str, body: &Value) -> String {
    let headers = [("x-user-id", who), ("content-type", "application/json")];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = call(product.http, method, path, &headers, body.as_bytes());
    assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
    answer.text()
}

/// Everything the server tells the reader of a room and of a direct conversation.
fn readings(product: &Product, reader: &str, other: &str, room: &str) -> [String; 6] {
    let get = |path: &str| ask(product, reader, "GET", path, &Value::Null);
    let cursors = json!({"cursors": {room: 0}, "with": {other: 0}});
    [
        get(&format!("/api/rooms/{room}/messages")),
        get(&format!("/api/rooms/{room}/messages/3")),
        get(&format!("/api/rooms/{room}/pins")),
        get(&format!("/api/messages?with={other}")),
        get("/api/inbox"),
        ask(product, reader, "POST", "/api/sync", &cursors),
    ]
}

fn assert_blank(product: &Product, room: &str) {
    for (reader, other) in [("bob", "ann"), ("ann", "bob")] {
        for text in readings(product, reader, other, room) {
            assert!(!text.contains("secret"), "{reader} reads {text}");
        }
    }
}

#[tokio::test]
async fn deleted_words_are_nowhere_also_after_the_process_was_killed() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("STORAGE_MODE", "file"), ("DATA_DIR", dir.path().to_str().unwrap())];
    let mut product = Product::alone(&settings);
    let room = make_room(&product, "ann", "Tea");
    let mut ann = Person::connect(&product, "ann").await;
    let mut bob = Person::connect(&product, "bob").await;
    bob.joins(&room).await;
    assert_eq!(ann.says(&room, "secret one").await["seq"], 3);
    ann.asks(json!({"action": "pin", "room": room, "seq": 3}), "pins_changed").await;
    ann.asks(json!({"action": "edit", "room": room, "seq": 3, "content": "secret two"}), "edited").await;
    ann.asks(json!({"action": "send", "to": "bob", "content": "secret three"}), "sent").await;
    let told = readings(&product, "bob", "ann", &room);
    assert!(told.iter().all(|text| text.contains("secret")), "{told:#?}");

    ann.asks(json!({"action": "delete", "room": room, "seq": 3}), "deleted").await;
    ann.asks(json!({"action": "delete", "with": "bob", "seq": 1}), "deleted").await;
    assert_blank(&product, &room);
    product.signal("KILL");
    product.ended();

    let product = Product::alone(&settings);
    assert_blank(&product, &room);
    // What waits is handed over to a new connection: nothing.
    let bob = Person::connect(&product, "bob").await;
    assert!(bob.heard.iter().all(|frame| !frame.to_string().contains("secret")), "{:#?}", bob.heard);
}
