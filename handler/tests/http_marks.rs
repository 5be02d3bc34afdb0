//! Read marks, my rooms and receipts through a real port.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod product;

use futures_util::{SinkExt, StreamExt};
use product::{Answer, PATIENCE, Product, call};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

fn put(product: &Product, who: &str, path: &str, body: &Value) -> Answer {
    let headers = [("x-user-id", who), ("content-type", "application/json")];
    call(product.http, "PUT", path, &headers, body.to_string().as_bytes())
}

fn first_room(product: &Product, who: &str) -> Value {
    product.get(&format!("/api/me/rooms?user_id={who}")).json()["rooms"][0].clone()
}

fn send(product: &Product, target: &str, id: &str) {
    let body = format!(r#"{{"SenderID":"ann",{target},"MessageText":"x","MessageID":"{id}"}}"#);
    assert_eq!(product.post("/api/sendMessage", &body).status, 200);
}

#[tokio::test]
async fn unread_falls_by_reading_and_the_room_hears_of_it() {
    let product = Product::alone(&[]);
    let url = format!("ws://{}/ws?user_id=ann", product.hub.unwrap());
    let mut ann = connect_async(url).await.unwrap().0;
    for who in ["ann", "bob"] {
        assert_eq!(product.post(&format!("/api/rooms/general/join?user_id={who}"), "").status, 200);
    }
    for id in ["m-1", "m-2"] {
        send(&product, r#""RoomID":"general""#, id);
    }
    product.eventually("/api/metrics", |answer| answer.json()["delivered"] == 2);
    let mine = first_room(&product, "bob");
    assert_eq!((&mine["unread"], &mine["head_seq"], &mine["role"]), (&json!(2), &json!(4), &json!("member")));
    assert_eq!((&mine["last_message"]["id"], &mine["member_count"]), (&json!("m-2"), &json!(2)));
    assert_eq!(first_room(&product, "ann")["unread"], 0, "who sends has read it");
    let read = put(&product, "bob", "/api/rooms/general/read", &json!({"seq": 3}));
    assert_eq!(read.json(), json!({"room_id": "general", "read_seq": 3, "unread": 1}));
    assert_eq!(first_room(&product, "bob")["unread"], 1);
    let told = async {
        loop {
            if let Message::Text(text) = ann.next().await.unwrap().unwrap() {
                let frame: Value = serde_json::from_str(&text).unwrap();
                if frame["type"] == "read" {
                    return frame;
                }
            }
        }
    };
    let told = tokio::time::timeout(PATIENCE, told).await.unwrap();
    assert_eq!(told["marks"], json!([{"user": "bob", "seq": 3}]));
    ann.send(Message::text(r#"{"action":"typing","room_id":"general"}"#)).await.unwrap();
    let stranger = put(&product, "eve", "/api/rooms/general/read", &json!({"seq": 3}));
    assert_eq!((stranger.status, stranger.error().0.as_str()), (403, "not_a_member"));
    for (body, code) in [(json!({}), "missing_field"), (json!({"seq": -1}), "wrong_type")] {
        let answer = put(&product, "bob", "/api/rooms/general/read", &body);
        assert_eq!((answer.status, answer.error().0.as_str()), (400, code));
    }
}

#[test]
fn reading_a_direct_conversation_empties_the_inbox_up_to_there() {
    let product = Product::alone(&[]);
    for id in ["d-1", "d-2", "d-3"] {
        send(&product, r#""ReceiverID":"bob""#, id);
    }
    product.eventually("/api/metrics", |answer| answer.json()["delivered"] == 3);
    let read = put(&product, "bob", "/api/messages/read?with=ann", &json!({"seq": 2})).json();
    assert_eq!((&read["acknowledged"], &read["read_seq"]), (&json!(2), &json!(2)));
    let inbox = product.get("/api/inbox?user_id=bob").json();
    assert_eq!(inbox["messages"].as_array().unwrap().len(), 1);
    assert_eq!(put(&product, "bob", "/api/messages/read", &json!({"seq": 2})).error().1, "with");
}

#[test]
fn a_senders_mark_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("STORAGE_MODE", "file"), ("DATA_DIR", folder.path().to_str().unwrap())];
    let mut product = Product::alone(&settings);
    assert_eq!(product.post("/api/rooms/general/join?user_id=ann", "").status, 200);
    send(&product, r#""RoomID":"general""#, "m-1");
    product.eventually("/api/metrics", |answer| answer.json()["delivered"] == 1);
    product.signal("TERM");
    product.ended();
    let product = Product::alone(&settings);
    assert_eq!(first_room(&product, "ann")["read_seq"], 2);
}
