use std::time::Duration;

use super::world::*;
use crate::chat::{Fate, Patience, QueuedMessage, Target};
use crate::contract::data::{room_id, user};
use crate::model::Timestamp;
use crate::ports::{Clock, Entity, LetterKind, Received};

fn read(received: &Received) -> QueuedMessage {
    QueuedMessage::read(received, Timestamp::from_millis(START)).unwrap()
}

#[test]
fn what_we_write_is_read_back_the_same() {
    let message = r#"{"SenderID":"ann","RoomID":"tea","MessageText":"hi","MessageID":"m1","Timestamp":"2026-01-02T03:04:05+01:00",
        "AttachmentURL":"https://x/y.png","ReplyTo":3,"accepted_at":"2026-11-21T10:00:00.000Z"}"#;
    let first = read(&foreign(Entity::Topic, message));
    let again = read(&foreign(Entity::Topic, first.to_body().to_vec()));
    assert_eq!(first, again);
    assert_eq!(first.message.reply_to, Some(3));
    assert_eq!(first.message.sent_at, Timestamp::parse("2026-01-02T02:04:05Z"));
}

#[test]
fn foreign_bodies_are_read_as_they_were_meant() {
    let body = r#"{"sender_id":"bob","message_text":"hi","timestamp":"2026-11-21T10:00:00"}"#;
    let message = read(&foreign(Entity::Topic, body));
    assert_eq!(message.target, Target::Room(room_id("general")));
    assert_eq!(message.message.id.as_str(), "broker-1");
    assert_eq!(message.message.sent_at, Timestamp::parse("2026-11-21T10:00:00Z"));
    assert_eq!(message.accepted_at, Some(Timestamp::from_millis(START)), "the queue's own time");

    let all = r#"{"sender":"bob","room":"all","content":"hi","message_id":"own"}"#;
    assert_eq!(read(&foreign(Entity::Topic, all)).target, Target::Room(room_id("general")));
    assert_eq!(read(&foreign(Entity::Topic, all)).message.id.as_str(), "own");

    let mut by_property = foreign(Entity::Topic, body);
    by_property.properties.insert("room_id".into(), "tea".into());
    by_property.message_id = None;
    assert_eq!(read(&by_property).target, Target::Room(room_id("tea")));
    assert_eq!(read(&by_property).message.id.as_str(), "topic-7");

    let direct = r#"{"SenderID":"bob","ReceiverID":"ann","MessageText":"hi"}"#;
    assert_eq!(read(&foreign(Entity::Queue, direct)).target, Target::Direct(user("ann")));
}

#[tokio::test]
async fn poison_is_parked_with_its_reason_and_blocks_nobody() {
    let long = format!(r#"{{"sender":"bob","content":"{}"}}"#, "x".repeat(32_001));
    let cases: &[(&[u8], &str)] = &[
        (b"", "invalid_json"),
        (b"hello", "invalid_json"),
        (b"\xff\xfe", "invalid_utf8"),
        (b"[]", "not_an_object"),
        (b"{}", "missing_field"),
        (br#"{"sender":"bob"}"#, "missing_field"),
        (br#"{"content":"hi"}"#, "missing_field"),
        (br#"{"sender":"","content":"hi"}"#, "missing_field"),
        (br#"{"sender":7,"content":"hi"}"#, "wrong_type"),
        (br#"{"sender":"bob","content":"hi","room":"a/b"}"#, "invalid_id"),
        (br#"{"sender":"bob","content":"hi","room":"a","receiver":"ann"}"#, "two_targets"),
        (br#"{"sender":"bob","content":"hi","reply_to":0}"#, "invalid_field"),
        (br#"{"sender":"bob","content":"hi","timestamp":"now"}"#, "invalid_timestamp"),
        (br#"{"sender":"bob","content":"hi","accepted_at":"2020-01-01T00:00:00Z"}"#, "too_old"),
        (long.as_bytes(), "content_too_long"),
    ];
    let world = World::open().await;
    for (n, (body, code)) in cases.iter().enumerate() {
        let good = world.accept("ann", "general", &format!("good-{n}"), "hi").await;
        let bad = Received { sequence_number: Some(1_000 + n as u64), ..foreign(Entity::Topic, *body) };
        let fates = world.chat.deliver(&[bad, good], Patience::Forever).await.unwrap();
        assert_eq!(fates[0], Fate::Dead { code }, "{}", String::from_utf8_lossy(body));
        assert!(matches!(fates[1], Fate::Delivered { .. }));
    }
    let letters = world.letters(LetterKind::Dead).await;
    let codes: Vec<_> = letters.iter().map(|letter| letter.code.as_str()).collect();
    let mut wanted: Vec<_> = cases.iter().map(|(_, code)| *code).collect();
    let mut got = codes.clone();
    wanted.sort_unstable();
    got.sort_unstable();
    assert_eq!(got, wanted);
    assert!(letters.iter().all(|letter| !letter.reason.is_empty()));
    let binary = letters.iter().find(|letter| letter.code == "invalid_utf8").unwrap();
    assert_eq!((binary.body_is_base64, binary.body.as_str()), (true, "//4="));
    assert_eq!(world.chat.counters().dead.get(), cases.len() as u64);
}

#[tokio::test]
async fn a_copy_older_than_its_marker_is_parked() {
    let world = World::open().await;
    let received = world.accept("ann", "general", "m1", "hi").await;
    world.ticker.advance(Duration::from_secs(90 * 24 * 60 * 60));
    assert!(QueuedMessage::read(&received, world.ticker.now()).is_ok());
    world.ticker.advance(Duration::from_millis(1));
    let fates = world.chat.deliver(&[received], Patience::Forever).await.unwrap();
    assert_eq!(fates, [Fate::Dead { code: "too_old" }]);
    assert!(world.contents(&crate::contract::data::conversation("general")).await.is_empty());
}

#[tokio::test]
async fn parking_twice_leaves_one_letter() {
    let world = World::open().await;
    let bad = foreign(Entity::Queue, "nonsense");
    world.deliver(std::slice::from_ref(&bad)).await;
    world.ticker.advance(Duration::from_secs(5));
    world.deliver(&[Received { attempt: 2, ..bad }]).await;
    assert_eq!(world.letters(LetterKind::Dead).await.len(), 1);
}
