use std::time::Duration;

use serde_json::json;

use super::world::*;
use crate::adapters::faulty::Mode;
use crate::calls::Tally;
use crate::chat::{Kind, Patience, Refused, Submission};
use crate::contract::data::user;
use crate::model::{Marker, MessageId, Role, bounds};
use crate::ports::Entity;
use crate::trace::Trace;

async fn refused(world: &World, submission: Submission) -> Refused {
    let refused = world.chat.send_message(&caller("ann"), submission, None).await.unwrap_err();
    assert!(world.outbox.take().is_empty(), "nothing of it reaches the queue");
    refused
}

#[tokio::test]
async fn a_room_message_goes_to_the_topic_under_its_marker() {
    let world = World::open().await;
    let received = world.accept("ann", "general", "m1", "hi").await;
    let general = crate::contract::data::conversation("general");
    let marker = Marker::new(&general, &user("ann"), &MessageId::new("m1").unwrap());
    assert_eq!(received.entity, Entity::Topic);
    assert_eq!(received.message_id, Some(marker.to_string()));
    assert_eq!(received.session_id.as_deref(), Some("general"));
    assert_eq!(received.properties["room_id"], "general");
    let body: serde_json::Value = serde_json::from_slice(&received.body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({"MessageID": "m1", "SenderID": "ann", "RoomID": "general", "MessageText": "hi",
            "accepted_at": "2027-01-15T08:00:00.000Z"})
    );
}

#[tokio::test]
async fn a_direct_message_goes_to_the_queue_in_the_pairs_session() {
    let world = World::open().await;
    let received = world.accept_direct("bob", "ann", "m1", "psst").await;
    assert_eq!(received.entity, Entity::Queue);
    assert_eq!(received.session_id, Some(pair("ann", "bob").to_string()));
    assert!(received.properties.is_empty());
}

#[tokio::test]
async fn the_trace_of_the_request_goes_with_the_message() {
    let world = World::open().await;
    let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let send = async {
        Tally::follow(Trace::parse(header).unwrap());
        world.accept("ann", "general", "m1", "hi").await
    };
    let (received, _) = Tally::of(send).await;
    assert_eq!(received.properties["traceparent"], header);
    let (trace, _) = Tally::of(async {
        world.chat.deliver(&[received], Patience::Forever).await.unwrap();
        Tally::trace()
    })
    .await;
    assert_eq!(trace, Trace::parse(header), "the delivery is of the same trace");
}

#[tokio::test]
async fn without_an_id_the_request_names_the_message() {
    let world = World::open().await;
    let send = async |key| {
        let submission = Submission { message_id: None, ..to_room("general", "", "hi") };
        world.chat.send_message(&caller("ann"), submission, key).await.unwrap().message_id
    };
    assert_eq!(send(Some("invocation-1")).await.as_str(), "invocation-1");
    let long = "k".repeat(500);
    assert_eq!(send(Some(&long)).await, send(Some(&long)).await);
    assert_ne!(send(None).await, send(None).await);
}

#[tokio::test]
async fn every_bound_has_its_answer() {
    let world = World::open().await;
    let good = || to_room("general", "m1", "hi");
    let text = |n: usize| Some("x".repeat(n));
    let cases = [
        (Submission { content: None, ..good() }, "missing_field", "MessageText", Kind::Invalid),
        (Submission { content: text(0), ..good() }, "empty_content", "MessageText", Kind::Invalid),
        (
            Submission { content: text(bounds::CONTENT_UTF16_UNITS + 1), ..good() },
            "content_too_long",
            "MessageText",
            Kind::TooLarge,
        ),
        (Submission { room: None, ..good() }, "missing_field", "RoomID", Kind::Invalid),
        (Submission { room: text(65), ..good() }, "too_long", "RoomID", Kind::Invalid),
        (Submission { room: Some("a b".into()), ..good() }, "invalid_id", "RoomID", Kind::Invalid),
        (Submission { receiver: Some("bob".into()), ..good() }, "two_targets", "ReceiverID", Kind::Invalid),
        (to_user("", "m1", "hi"), "missing_field", "ReceiverID", Kind::Invalid),
        (to_user(&"x".repeat(129), "m1", "hi"), "too_long", "ReceiverID", Kind::Invalid),
        (Submission { message_id: text(129), ..good() }, "too_long", "MessageID", Kind::Invalid),
        (Submission { message_id: text(0), ..good() }, "missing_field", "MessageID", Kind::Invalid),
        (
            Submission { sent_at: Some("soon".into()), ..good() },
            "invalid_timestamp",
            "Timestamp",
            Kind::Invalid,
        ),
        (Submission { reply_to: Some(0), ..good() }, "invalid_field", "ReplyTo", Kind::Invalid),
        (
            Submission { attachment_url: Some("javascript:alert(1)".into()), ..good() },
            "invalid_url",
            "AttachmentURL",
            Kind::Invalid,
        ),
        (
            Submission { attachment_url: Some(format!("https://{}", "x".repeat(2048))), ..good() },
            "too_long",
            "AttachmentURL",
            Kind::Invalid,
        ),
        (Submission { sender: Some("bob".into()), ..good() }, "sender_mismatch", "SenderID", Kind::Forbidden),
    ];
    for (submission, code, field, kind) in cases {
        let described = format!("{submission:.80?}");
        let refused = refused(&world, submission).await;
        assert_eq!((refused.code, refused.field, refused.kind), (code, Some(field), kind), "{described}");
    }
}

#[tokio::test]
async fn content_is_counted_in_utf16_units() {
    let world = World::open().await;
    let crabs = "🦀".repeat(bounds::CONTENT_UTF16_UNITS / 2);
    world.chat.send_message(&caller("ann"), to_room("general", "m1", &crabs), None).await.unwrap();
    let refused =
        world.chat.send_message(&caller("ann"), to_room("general", "m2", &(crabs + "x")), None).await;
    assert_eq!(refused.unwrap_err().code, "content_too_long");
}

#[test]
fn names_count_without_case_and_underscores_and_answers_follow_them() {
    let read = |json: &str| Submission::from_json(json.as_bytes());
    let pascal = read(r#"{"SenderID":"ann","ReceiverID":"bob","MessageText":"hi","MessageID":"1"}"#).unwrap();
    let snake = read(r#"{"sender_id":"ann","receiver_id":"bob","content":"hi","message_id":"1"}"#).unwrap();
    assert_eq!(Submission { naming: snake.naming, ..pascal }, snake);
    let unknown = read(r#"{"SenderID":null,"x":{"y":[1,{"z":2}]},"MessageText":"hi"}"#).unwrap();
    assert_eq!((unknown.sender, unknown.content.as_deref()), (None, Some("hi")));
    assert_eq!(read(r#"{"MessageText":1}"#).unwrap_err().field, Some("MessageText"));
    assert_eq!(read(r#"{"content":["hi"]}"#).unwrap_err().field, Some("content"));
}

#[test]
fn what_is_no_message_object_has_its_code() {
    let deep = format!("{{\"x\":{}1{}}}", "[".repeat(50_000), "]".repeat(50_000));
    let cases: [(&[u8], &str); 8] = [
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (b"{\"content\":\"\\ud800\"}", "invalid_json"),
        (b"{} {}", "invalid_json"),
        (b"[1]", "not_an_object"),
        (b"\"text\"", "not_an_object"),
        (b"{\"content\":\"\xff\"}", "invalid_utf8"),
        (b"{\"reply_to\":-1}", "wrong_type"),
    ];
    for (body, code) in cases {
        assert_eq!(
            Submission::from_json(body).unwrap_err().code,
            code,
            "{:?}",
            String::from_utf8_lossy(body)
        );
    }
    assert!(Submission::from_json(deep.as_bytes()).is_ok(), "what is not read is not followed");
}

#[tokio::test]
async fn rooms_that_do_not_exist_or_do_not_admit_take_nothing() {
    let world = World::open().await;
    let secret = world.private_room("bob", "Secret").await;
    assert_eq!(refused(&world, to_room("nowhere", "m1", "hi")).await.kind, Kind::NotFound);
    assert_eq!(refused(&world, to_room(secret.as_str(), "m1", "hi")).await.code, "room_not_found");
    let mine = world.chat.send_message(&caller("bob"), to_room(secret.as_str(), "m1", "hi"), None).await;
    assert!(mine.is_ok());

    let world = World::members_only().await;
    assert_eq!(refused(&world, to_room("general", "m1", "hi")).await.code, "not_a_member");
    world.chat.join_room(&caller("ann"), "general").await.unwrap();
    assert!(world.chat.send_message(&caller("ann"), to_room("general", "m1", "hi"), None).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn ingest_needs_the_queue_and_lives_on_what_it_knows_of_rooms() {
    let world = World::open().await;
    world.store.set(Mode::FailAll);
    let unknown = refused(&world, to_room("general", "m1", "hi")).await;
    assert_eq!(
        (unknown.kind, unknown.code),
        (Kind::Unavailable { retry_after: Duration::from_secs(1) }, "store_unavailable")
    );
    world.store.set(Mode::Quiet);
    world.accept("ann", "general", "m1", "hi").await;
    world.store.set(Mode::FailAll);
    tokio::time::advance(Duration::from_secs(29)).await;
    world.accept("ann", "general", "m2", "hi").await;
    tokio::time::advance(Duration::from_secs(2)).await;
    assert!(refused(&world, to_room("general", "m3", "hi")).await.is_unavailable());
    world.store.set(Mode::Quiet);
    world.queue.set(Mode::FailAll);
    assert_eq!(refused(&world, to_room("general", "m3", "hi")).await.code, "queue_unavailable");
    assert_eq!(world.chat.counters().accepted.get(), 2);
}

#[tokio::test]
async fn a_repeat_is_answered_as_before_when_the_room_is_gone_or_closed_to_the_sender() {
    let world = World::members_only().await;
    let tea = world.room("ann", "Tea").await;
    world.chat.join_room(&caller("bob"), tea.as_str()).await.unwrap();
    let received = world.accept("bob", tea.as_str(), "m1", "hi").await;
    world.deliver(&[received]).await;
    let send =
        async |id: &str| world.chat.send_message(&caller("bob"), to_room(tea.as_str(), id, "hi"), None).await;
    let name = |accepted: crate::chat::Accepted| accepted.room_name.unwrap().to_string();

    world.chat.leave_room(&caller("bob"), tea.as_str()).await.unwrap();
    assert_eq!(send("m2").await.unwrap_err().code, "not_a_member");
    assert_eq!(name(send("m1").await.unwrap()), "Tea");
    world.chat.delete_room(&caller("ann"), tea.as_str(), None).await.unwrap();
    assert_eq!(send("m2").await.unwrap_err().code, "room_not_found");
    assert_eq!(name(send("m1").await.unwrap()), tea.as_str());
    assert!(world.outbox.take().is_empty(), "there is nothing left to deliver");
    world.store.set(Mode::FailAll);
    assert!(send("m1").await.unwrap_err().is_unavailable());
}

#[tokio::test(start_paused = true)]
async fn a_sender_whom_a_silent_store_alone_knows_is_told_to_come_again_soon() {
    let world = World::open().await;
    world.store.set(Mode::Delay(Duration::from_secs(3_600)));
    let start = tokio::time::Instant::now();
    let refused = refused(&world, to_room("general", "m1", "hi")).await;
    assert!(refused.is_unavailable(), "{refused:?}");
    assert!(start.elapsed() <= Duration::from_secs(3), "{:?}", start.elapsed());
    // Who writes to a person needs nothing of the store.
    let direct = world.chat.send_message(&caller("ann"), to_user("bob", "m2", "hi"), None).await;
    assert!(direct.is_ok(), "{direct:?}");
}

#[tokio::test]
async fn nobody_is_addressed_by_control_characters() {
    const ODD: &str = "bob\u{7}";
    let world = World::open().await;
    let refused = [
        world.chat.send_message(&caller("ann"), to_user(ODD, "1", "hi"), None).await.map(drop),
        world.chat.add_member(&caller("ann"), "general", ODD, Role::Member).await.map(drop),
        world.chat.invite_user(&caller("ann"), "general", ODD).await.map(drop),
    ];
    for refused in refused {
        assert_eq!(refused.unwrap_err().code, "invalid_id");
    }
    // What the queue has from before arrives.
    let body = json!({"SenderID": "ann", "ReceiverID": ODD, "MessageText": "hi", "MessageID": "1"});
    world.deliver(&[foreign(Entity::Queue, body.to_string())]).await;
    assert_eq!(world.contents(&pair("ann", ODD)).await, ["hi"]);
}
