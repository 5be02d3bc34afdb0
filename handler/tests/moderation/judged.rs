//! Moderation through the real ports: what is held survives the process, and is decided over HTTP.

use serde_json::{Value, json};

use crate::calls::{ask, done, no, refused};
use crate::people::Person;
use crate::product::Product;

fn send(product: &Product, id: &str, text: &str) -> Value {
    let body = json!({"SenderID": "ann", "RoomID": "general", "MessageText": text, "MessageID": id});
    product.post("/api/sendMessage", &body.to_string()).json()
}

fn contents(product: &Product) -> Vec<String> {
    let history = product.get("/api/rooms/general/messages").json();
    let messages = history["messages"].as_array().unwrap().iter();
    messages.map(|message| message["content"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn what_is_held_outlives_the_process_and_is_published_once() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().to_str().unwrap();
    let settings =
        [("STORAGE_MODE", "file"), ("DATA_DIR", folder), ("MODERATION", "local"), ("ADMIN_USERS", "root")];
    let mut product = Product::alone(&settings);
    assert_eq!(send(&product, "1", "you cunt"), json!({"status": "held", "MessageID": "1"}));
    assert_eq!(send(&product, "2", "oh shit")["status"], "accepted");
    assert_eq!(send(&product, "3", "kys")["code"], "inappropriate");
    product.eventually("/api/rooms/general/messages", |answer| answer.text().contains("oh ****"));
    product.signal("KILL");
    product.ended();

    let product = Product::alone(&settings);
    let mut bob = Person::connect(&product, "bob").await;
    bob.joins("general").await;
    let open = ask(&product, "root", "GET", "/api/rooms/general/reviews", &Value::Null).json();
    let reviews = open["reviews"].as_array().unwrap();
    assert_eq!(reviews.len(), 1);
    assert_eq!(
        (&reviews[0]["kind"], &reviews[0]["message"]["content"]),
        (&"held".into(), &"you cunt".into())
    );
    let place = format!("/api/rooms/general/reviews/{}", reviews[0]["id"].as_str().unwrap());
    assert_eq!(
        refused(&product, "eve", "POST", &place, &json!({"decision": "approve"})),
        no(403, "not_a_member")
    );
    assert_eq!(
        refused(&product, "root", "POST", &place, &json!({"decision": "perhaps"})),
        no(400, "invalid_field")
    );
    assert_eq!(refused(&product, "root", "POST", &place, &json!({})), no(400, "missing_field"));
    for _ in 0..2 {
        let decided = done(&product, "root", "POST", &place, &json!({"decision": "approve"}));
        assert_eq!(decided["decision"]["by"], "root");
    }
    bob.hears("you cunt").await;
    assert_eq!(contents(&product), ["oh ****", "you cunt"]);
    assert_eq!(send(&product, "1", "you cunt")["status"], "accepted");
    assert_eq!(
        refused(&product, "root", "POST", &place, &json!({"decision": "remove"})),
        no(409, "already_decided")
    );
    let metrics = product.get("/api/metrics").json();
    assert!(metrics["held"].is_u64() && metrics["moderated"].is_u64());
}

#[tokio::test]
async fn a_judge_that_is_away_is_done_without_or_waited_for_as_was_set() {
    // Nobody listens there.
    let endpoint = "http://127.0.0.1:9";
    for (on_failure, answer) in [("allow", "accepted"), ("hold", "held"), ("refuse", "moderator_unavailable")]
    {
        let product = Product::alone(&[
            ("MODERATION", "local+azure"),
            ("CONTENT_SAFETY_ENDPOINT", endpoint),
            ("CONTENT_SAFETY_KEY", "a-key"),
            ("MODERATION_ON_FAILURE", on_failure),
        ]);
        let answered = send(&product, "1", "hello");
        assert!(answered["status"] == answer || answered["code"] == answer, "{on_failure}: {answered}");
        assert_eq!(send(&product, "2", "kys")["code"], "inappropriate", "words are judged here");
    }
}
