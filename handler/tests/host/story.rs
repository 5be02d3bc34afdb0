//! The main job: send, deliver, remember, in each way the host has of passing requests on.

use funchost::HttpMode;
use serde_json::json;

use crate::world::{App, World, are_numbered, sorted_texts, texts};

#[tokio::test(flavor = "multi_thread")]
async fn proxied() {
    let world = App::new().start_in(HttpMode::Proxied).await;
    a_message_is_seen_live(&world).await;
    a_message_is_stored(&world).await;
    world.ends_well(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forwarded() {
    let world = App::new().start_in(HttpMode::Forwarded).await;
    a_message_is_seen_live(&world).await;
    a_message_is_stored(&world).await;
    world.ends_well(0).await;
}

/// No socket passes through the host in this mode.
#[tokio::test(flavor = "multi_thread")]
async fn enveloped() {
    let world = App::new().start_in(HttpMode::Json).await;
    a_message_is_stored(&world).await;
    world.ends_well(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_batches() {
    let world = App::with_batches().start().await;
    a_message_is_stored(&world).await;
    let room = world.room("ann", "Batches").await;
    world.host.pause();
    for n in 0..20 {
        world.send(&json!({ "SenderID": "ann", "RoomID": room, "MessageText": n.to_string() })).await;
    }
    let before = world.host.status().functions["processTopic"].invocations;
    world.host.resume();
    let after = world.settled().await.functions["processTopic"].invocations;
    let history = world.room_history(&room).await;
    assert_eq!(texts(&history, "content"), (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
    assert!(after - before < 20, "several messages travel in one invocation");
    world.ends_well(0).await;
}

async fn a_message_is_seen_live(world: &World) {
    let room = world.room("ann", "Live").await;
    world.join(&room, "bob").await;
    let mut bob = world.client.connect("bob").await;
    world
        .send(&json!({ "SenderID": "ann", "RoomID": room, "MessageText": "hi ☕", "MessageID": "live-1" }))
        .await;
    let seen = bob.message().await;
    assert_eq!((&seen["id"], &seen["content"]), (&"live-1".into(), &"hi ☕".into()));
    assert_eq!((&seen["room_id"], &seen["number"]), (&room.as_str().into(), &1.into()));
    assert_eq!(world.room_history(&room).await, [seen]);

    world.send(&json!({ "SenderID": "ann", "ReceiverID": "bob", "MessageText": "only you" })).await;
    assert_eq!(bob.message().await["content"], "only you");

    let event = json!({ "type": "event", "event": "send", "ackId": 7, "dataType": "json",
        "data": { "room_id": room, "content": "from a socket", "message_id": "live-2" } });
    bob.send(&event).await;
    assert_eq!(bob.acknowledged(7).await["success"], true);
    assert_eq!(texts(&world.room_history(&room).await, "id"), ["live-1", "live-2"]);
}

async fn a_message_is_stored(world: &World) {
    let room = world.room("ann", "Stored").await;
    let to_room =
        |id: &str| json!({ "SenderID": "ann", "RoomID": room, "MessageText": "ok", "MessageID": id });
    for id in ["m-1", "m-1", "m-2", "m-1"] {
        assert_eq!(world.send(&to_room(id)).await, id);
    }
    let to_carl =
        |id: &str| json!({ "SenderID": "ann", "ReceiverID": "carl", "MessageText": "psst", "MessageID": id });
    for id in ["m-1", "m-1", "m-3"] {
        assert_eq!(world.send(&to_carl(id)).await, id);
    }
    // Without an id, two honest messages are two.
    let plain = json!({ "SenderID": "ann", "RoomID": room, "MessageText": "ok" });
    let made = [world.send(&plain).await, world.send(&plain).await];
    assert_ne!(made[0], made[1]);
    world.settled().await;

    let in_room = world.room_history(&room).await;
    assert_eq!(texts(&in_room, "id"), ["m-1", "m-2", &made[0], &made[1]]);
    assert!(are_numbered(&in_room), "{in_room:?}");
    let direct = world.direct_history("carl", "ann").await;
    assert_eq!(texts(&direct, "id"), ["m-1", "m-3"]);
    assert!(are_numbered(&direct), "{direct:?}");
    assert_eq!(sorted_texts(&world.inbox("carl").await, "id"), ["m-1", "m-3"]);
    let acknowledged = world.client.post("/api/inbox/ack", "carl", &json!({ "ids": ["m-1", "m-3"] })).await;
    assert_eq!(acknowledged.json["acknowledged"], 2);
    assert!(world.inbox("carl").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_timer_calls_its_function() {
    let app = App::new();
    app.edit("retention/function.json", |function| {
        assert_eq!(function["bindings"][0]["schedule"], "*/20 * * * * *");
        function["bindings"][0]["schedule"] = json!("* * * * * *");
    });
    let world = app.start().await;
    // It is not listed before its first call.
    let successes =
        || world.host.status().functions.get("retention").map_or(0, |function| function.successes);
    world.until(async || successes() >= 2).await;
    assert_eq!(world.host.status().functions["retention"].failures, 0);
    world.ends_well(0).await;
}
