//! What can never be a message is parked at once with its reason, and blocks nobody.

use funchost::Message;
use serde_json::{Value, json};

use crate::world::{App, World, texts};

/// Name, body, code of the reason.
type Case = (&'static str, Vec<u8>, &'static str);

fn cases() -> Vec<Case> {
    let with = |field: &str, value: Value| {
        let mut body =
            json!({ "SenderID": "ann", "RoomID": "general", "MessageText": "x", "MessageID": "m" });
        body[field] = value;
        body.to_string().into_bytes()
    };
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let metadata = json!({ "messageId": { "a": 1 }, "sessionId": "evil", "deliveryCount": 99, "sequenceNumber": "x",
        "applicationProperties": { "room_id": "evil" }, "sys": 1 });
    vec![
        ("nothing", b"".to_vec(), "invalid_json"),
        ("words", b"plain words".to_vec(), "invalid_json"),
        ("cut", br#"{"SenderID":"ann","#.to_vec(), "invalid_json"),
        ("two", br#"{"SenderID":"ann"}{}"#.to_vec(), "invalid_json"),
        ("utf-8", b"{\"SenderID\":\"\xff\xfe\"}".to_vec(), "invalid_utf8"),
        ("array", br#"[{"SenderID":"ann"}]"#.to_vec(), "not_an_object"),
        ("number", b"42".to_vec(), "not_an_object"),
        ("null", b"null".to_vec(), "not_an_object"),
        ("nested", nested.clone().into_bytes(), "not_an_object"),
        ("nested text", format!(r#"{{"SenderID":"ann","MessageText":{nested}}}"#).into_bytes(), "wrong_type"),
        ("text is a number", with("MessageText", json!(1)), "wrong_type"),
        ("sender is an object", with("SenderID", json!({ "id": 1 })), "wrong_type"),
        ("no sender", with("SenderID", Value::Null), "missing_field"),
        ("no text", with("MessageText", Value::Null), "missing_field"),
        ("only spaces", with("MessageText", json!(" \n")), "empty_content"),
        ("long text", with("MessageText", json!("x".repeat(32_001))), "content_too_long"),
        ("long sender", with("SenderID", json!("x".repeat(129))), "too_long"),
        ("long id", with("MessageID", json!("x".repeat(129))), "too_long"),
        ("odd room", with("RoomID", json!("../x")), "invalid_id"),
        ("odd time", with("Timestamp", json!("yesterday")), "invalid_timestamp"),
        ("odd address", with("AttachmentURL", json!("javascript:alert(1)")), "invalid_url"),
        ("two targets", with("ReceiverID", json!("bob")), "two_targets"),
        ("too old", with("accepted_at", json!("2020-01-01T00:00:00Z")), "too_old"),
        ("names of metadata", metadata.to_string().into_bytes(), "wrong_type"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_is_parked_with_its_reason_and_blocks_nobody() {
    let world = App::new().start().await;
    poison_is_parked(&world).await;
    world.ends_well(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_in_a_batch_is_parked_alone() {
    let world = App::with_batches().start().await;
    poison_is_parked(&world).await;
    world.ends_well(0).await;
}

/// Good and bad alternate in one session.
async fn poison_is_parked(world: &World) {
    let cases = cases();
    let mut wanted = Vec::new();
    world.host.pause();
    for (name, body, _) in &cases {
        let good = format!("behind {name}");
        let message =
            json!({ "SenderID": "ann", "RoomID": "general", "MessageText": "x", "MessageID": good });
        world.produce("chat-topic", Message::new(body.clone()).with_session("general").with_id(*name)).await;
        world.produce("chat-topic", Message::new(message.to_string()).with_session("general")).await;
        wanted.push(good);
    }
    world.host.resume();
    let status = world.settled().await;
    assert_eq!(status.functions["processTopic"].failures, 0, "poison is no failure: {status:#?}");
    assert_eq!(texts(&world.room_history("general").await, "id"), wanted);

    let letters = world.dead().await;
    assert_eq!(letters.len(), cases.len());
    for (name, body, code) in &cases {
        let is_its =
            |letter: &&Value| letter["key"].as_str().is_some_and(|key| key.ends_with(&format!("-{name}")));
        let letter = letters.iter().find(is_its).unwrap_or_else(|| panic!("{name} in {letters:#?}"));
        assert_eq!(letter["code"], *code, "{name}: {}", letter["reason"]);
        assert!(letter["reason"].as_str().is_some_and(|reason| reason.len() > 8), "{name}");
        assert_eq!((&letter["session"], &letter["entity"]), (&"general".into(), &"topic".into()), "{name}");
        assert_eq!(letter["delivery_count"], 1, "{name}: at once");
        if letter["body_is_base64"] == false {
            assert_eq!(letter["body"].as_str().unwrap().as_bytes(), body, "{name}");
        }
    }
    assert_eq!(letters.iter().filter(|letter| letter["body_is_base64"] == true).count(), 1);
}

/// A body's own fields are never taken for the broker's: `binary` triggers keep them apart.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_does_not_overwrite_what_the_broker_says() {
    let world = App::new().start().await;
    let body = json!({ "SenderID": "ann", "MessageText": "x", "sessionId": "evil", "deliveryCount": 99,
        "enqueuedTimeUtc": "2001-01-01T00:00:00Z", "applicationProperties": { "room_id": "evil" } });
    let message = Message::new(body.to_string())
        .with_session("s")
        .with_id("honest")
        .with_property("room_id", "general");
    world.produce("chat-topic", message).await;
    world.settled().await;
    assert_eq!(texts(&world.room_history("general").await, "id"), ["honest"]);
    world.ends_well(0).await;
}
