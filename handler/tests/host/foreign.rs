//! Producers that are not ours write straight into queue and topic.

use funchost::Message;
use serde_json::{Value, json};

use crate::world::{App, World, sorted_texts, texts};

#[tokio::test(flavor = "multi_thread")]
async fn every_form_is_understood() {
    let world = App::new().start().await;
    every_form(&world).await;
    world.ends_well(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_is_understood_in_batches() {
    let world = App::with_batches().start().await;
    every_form(&world).await;
    world.ends_well(0).await;
}

async fn every_form(world: &World) {
    let room = world.room("ann", "Foreign").await;
    let general = |body: Value| Message::new(body.to_string()).with_session("general");
    let here = |body: Value| Message::new(body.to_string()).with_session(room.clone());

    // The id: the body's, in either spelling; else the broker's.
    let said = |id: &str| json!({ "SenderID": "ann", "RoomID": room, "MessageText": "1", "MessageID": id });
    world.produce("chat-topic", here(said("in-body")).with_id("broker-1")).await;
    let snake =
        json!({ "sender_id": "ann", "room_id": room, "message_text": "2", "message_id": "in-body-2" });
    world.produce("chat-topic", here(snake).with_id("broker-2")).await;
    let short = json!({ "sender": "ann", "room": room, "content": "3" });
    world.produce("chat-topic", here(short).with_id("broker-3")).await;
    // The broker did not see that this is the first one again; the log does.
    world.produce("chat-topic", here(said("in-body")).with_id("broker-4")).await;
    // Two honest "ok" are two messages.
    for id in ["ok-1", "ok-2"] {
        let ok = json!({ "SenderID": "ann", "RoomID": room, "MessageText": "ok" });
        world.produce("chat-topic", here(ok).with_id(id)).await;
    }
    // The room by property; a time without a zone; unknown fields; null fields.
    let by_property =
        json!({ "SenderID": "ann", "MessageText": "4", "RoomID": null, "colour": [1, { "a": {} }] });
    world
        .produce("chat-topic", here(by_property).with_id("property").with_property("room_id", room.clone()))
        .await;
    let dated =
        json!({ "SenderID": "ann", "RoomID": room, "MessageText": "5", "Timestamp": "2026-02-03T04:05:06" });
    world.produce("chat-topic", here(dated).with_id("dated")).await;

    // No room, or `all`, is `general`.
    for (id, body) in [
        ("nowhere", json!({ "SenderID": "ann", "MessageText": "a" })),
        ("all", json!({ "SenderID": "ann", "RoomID": "all", "MessageText": "b" })),
        ("empty", json!({ "SenderID": "ann", "RoomID": "", "MessageText": "c" })),
    ] {
        world.produce("chat-topic", general(body).with_id(id)).await;
    }
    // A direct one, and one with an attachment alone.
    let direct = json!({ "SenderID": "ann", "ReceiverID": "bob", "MessageText": "psst" });
    world.produce("chat-queue", Message::new(direct.to_string()).with_session("any").with_id("direct")).await;
    let attached = json!({ "sender": "ann", "to": "bob", "attachment_url": "https://files.example/a.png" });
    world.produce("chat-queue", Message::new(attached.to_string()).with_session("any").with_id("file")).await;
    world.settled().await;

    let in_room = world.room_history(&room).await;
    let wanted = ["in-body", "in-body-2", "broker-3", "ok-1", "ok-2", "property", "dated"];
    assert_eq!(texts(&in_room, "id"), wanted, "parked: {:#?}", world.dead().await);
    assert_eq!(in_room[6]["sent_at"], "2026-02-03T04:05:06.000Z");
    assert_eq!(texts(&world.room_history("general").await, "id"), ["nowhere", "all", "empty"]);
    assert_eq!(texts(&world.direct_history("bob", "ann").await, "id"), ["direct", "file"]);
    assert_eq!(sorted_texts(&world.inbox("bob").await, "id"), ["direct", "file"]);
    assert!(world.dead().await.is_empty() && world.rejected().await.is_empty());
}

/// Neither the body nor the broker's id can be one: entity and sequence number are.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_id_that_is_too_long_gives_way_to_the_sequence_number() {
    let world = App::new().start().await;
    let body = json!({ "SenderID": "ann", "MessageText": "x" }).to_string();
    for n in 0..2 {
        let id = format!("{n}{}", "x".repeat(128));
        world.produce("chat-topic", Message::new(body.clone()).with_session("general").with_id(id)).await;
    }
    world.settled().await;
    assert_eq!(texts(&world.room_history("general").await, "id"), ["topic-1", "topic-2"]);
    world.ends_well(0).await;
}

/// A room that was deleted since: kept with its reason, told to the sender, no obstacle to others.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_by_state_is_kept_and_told() {
    let world = App::new().start().await;
    let mut ann = world.client.connect("ann").await;
    let body = json!({ "SenderID": "ann", "RoomID": "nowhere", "MessageText": "x", "MessageID": "lost" });
    world.produce("chat-topic", Message::new(body.to_string()).with_session("s")).await;
    let told = ann.event("rejected").await;
    assert_eq!((&told["id"], &told["code"]), (&"lost".into(), &"room_not_found".into()));
    world.settled().await;
    let rejected = world.rejected().await;
    assert_eq!((rejected.len(), &rejected[0]["code"]), (1, &"room_not_found".into()), "{rejected:?}");
    world.ends_well(0).await;
}
