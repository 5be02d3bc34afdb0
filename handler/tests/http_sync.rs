//! Catching up through a real port.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod product;

use futures_util::{SinkExt, StreamExt};
use product::{Answer, Product, call};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

fn sync(product: &Product, who: &str, body: &Value) -> Answer {
    let headers = [("x-user-id", who), ("content-type", "application/json")];
    call(product.http, "POST", "/api/sync", &headers, body.to_string().as_bytes())
}

#[tokio::test]
async fn a_client_that_was_away_gets_everything_over_http_and_over_its_socket() {
    let product = Product::alone(&[]);
    for (target, id) in
        [("RoomID\":\"general", "m-1"), ("ReceiverID\":\"bob", "d-1"), ("RoomID\":\"general", "m-2")]
    {
        let body = format!(r#"{{"SenderID":"ann","{target}","MessageText":"x","MessageID":"{id}"}}"#);
        assert_eq!(product.post("/api/sendMessage", &body).status, 200);
    }
    product.eventually("/api/metrics", |answer| answer.json()["delivered"] == 3);
    let wanted = json!({"cursors": {"general": 0, "nowhere": 0}, "with": {"ann": 0}});
    let answer = sync(&product, "bob", &wanted).json();
    let parts = answer["conversations"].as_object().unwrap();
    let ids = |part: &Value| -> Vec<String> {
        let entries = part["entries"].as_array().unwrap().iter();
        entries.map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&parts["general"]), ["m-1", "m-2"]);
    assert_eq!(parts["nowhere"]["error"]["code"], "room_not_found");
    let direct = parts.iter().find(|(id, _)| id.starts_with("d_")).unwrap();
    assert_eq!((ids(direct.1), &direct.1["entries"][0]["to"]), (vec!["d-1".to_owned()], &json!("bob")));

    let url = format!("ws://{}/ws?user_id=bob", product.hub.unwrap());
    let mut bob = connect_async(url).await.unwrap().0;
    let mut ask = wanted.clone();
    ask["action"] = "sync".into();
    bob.send(Message::text(ask.to_string())).await.unwrap();
    let frame = loop {
        let Message::Text(text) = bob.next().await.unwrap().unwrap() else { continue };
        let frame: Value = serde_json::from_str(&text).unwrap();
        if frame["type"] == "sync" {
            break frame;
        }
    };
    assert_eq!(frame["conversations"], answer["conversations"]);
}

#[test]
fn mistakes_are_answered() {
    let product = Product::alone(&[]);
    let many: serde_json::Map<_, _> = (0..501).map(|n| (format!("r{n}"), json!(0))).collect();
    for (body, status, code) in [
        (json!({}), 400, "missing_field"),
        (json!({"cursors": []}), 400, "wrong_type"),
        (json!({"cursors": {"general": -1}}), 400, "wrong_type"),
        (json!({"cursors": {"general": {"deep": 1}}}), 400, "wrong_type"),
        (json!({"with": {"": 1}}), 400, "missing_field"),
        (json!({"cursors": {}, "limit": 0}), 400, "invalid_limit"),
        (json!({ "cursors": many }), 413, "too_many_cursors"),
    ] {
        let answer = sync(&product, "ann", &body);
        assert_eq!((answer.status, answer.error().0.as_str()), (status, code), "{}", answer.text());
    }
    let nothing = sync(&product, "ann", &json!({"cursors": {}})).json();
    assert_eq!((&nothing["conversations"], &nothing["more"]), (&json!({}), &json!(false)));
}
