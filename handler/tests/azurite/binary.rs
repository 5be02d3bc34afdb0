//! What the program shows of its tables, and what it never shows.

use serde_json::{Value, json};

use crate::azurite::KEY;
use crate::people::Person;
use crate::product::Product;

fn send(product: &Product, message: &Value) {
    let answer = product.post("/api/sendMessage", &message.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn a_direct_message_waits_in_its_tables_for_who_is_away() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("DATA_DIR", dir.path().to_str().unwrap())];
    let mut product = Product::alone(&settings);
    for n in 1..=3 {
        let text = format!("number {n}");
        send(
            &product,
            &json!({"SenderID": "ann", "ReceiverID": "bob/é", "MessageText": text, "MessageID": n.to_string()}),
        );
        // Sent twice: a message is its sender's id.
        send(
            &product,
            &json!({"SenderID": "ann", "ReceiverID": "bob/é", "MessageText": text, "MessageID": n.to_string()}),
        );
    }
    let inbox = "/api/inbox?user_id=bob%2F%C3%A9";
    let waiting = |answer: &crate::product::Answer| answer.json()["messages"].as_array().map_or(0, Vec::len);
    product.eventually(inbox, |answer| waiting(answer) == 3);
    product.signal("KILL");
    product.ended();

    let product = Product::alone(&settings);
    let answer = product.get(inbox).json();
    let texts: Vec<_> = answer["messages"].as_array().unwrap().iter().map(|m| m["content"].clone()).collect();
    assert_eq!(texts, ["number 1", "number 2", "number 3"]);
    let acknowledged =
        product.post("/api/inbox/ack?user_id=bob%2F%C3%A9", &json!({"ids": ["1", "2"]}).to_string());
    assert_eq!(acknowledged.status, 200, "{}", acknowledged.text());
    assert_eq!(waiting(&product.get(inbox)), 1);
    let history = product.get("/api/messages?user_id=bob%2F%C3%A9&with=ann");
    assert_eq!(waiting(&history), 3);
}

#[tokio::test]
async fn readyz_asks_the_tables() {
    let product = Product::alone(&[]);
    let ready = product.get("/api/readyz");
    assert_eq!(ready.status, 200, "{}", ready.text());
    assert_eq!(ready.json()["checks"]["storage"]["ok"], true);
}

#[tokio::test]
async fn no_log_line_shows_the_key_or_what_it_signed() {
    let mut product =
        Product::alone(&[("RUST_LOG", "trace,azure_core=trace,azure_storage=trace,hyper=trace")]);
    let mut ann = Person::connect(&product, "ann").await;
    ann.joins("general").await;
    ann.says("general", "hello").await;
    send(&product, &json!({"SenderID": "ann", "ReceiverID": "bob", "MessageText": "hi"}));
    product.eventually("/api/inbox?user_id=bob", |answer| answer.text().contains("hi"));
    product.signal("TERM");
    product.ended();
    let lines = product.all_lines();
    assert!(
        lines.iter().any(|line| line.contains("TRACE") || line.contains("DEBUG")),
        "it was asked to be talkative"
    );
    for line in lines {
        let line = line.to_ascii_lowercase();
        for secret in [&KEY.to_ascii_lowercase(), "sharedkey", "authorization"] {
            assert!(!line.contains(secret), "{secret} in {line}");
        }
    }
}
