//! What the bus gives up comes back: its dead-letter queues are emptied into the letters, and what can be a message is
//! delivered once.

use std::time::Duration;

use funchost::{Message, Status};
use serde_json::{Value, json};

use crate::world::{App, PATIENCE, texts};

fn message(sender: &str, place: (&str, &str), id: &str) -> Value {
    json!({ "SenderID": sender, place.0: place.1, "MessageText": id, "MessageID": id })
}

/// Deliveries that fail at once, of which few are allowed.
fn impatient() -> (App, funchost::Options) {
    let app = App::new();
    // Thirty seconds of it are kept in reserve: one is left to wait.
    app.edit("host.json", |host| host["functionTimeout"] = json!("00:00:31"));
    // The timer's chores every second; the schedule of the app is for people.
    app.edit("retention/function.json", |function| {
        function["bindings"][0]["schedule"] = json!("* * * * * *");
    });
    let mut options = app.options();
    options.broker.max_delivery_count = 2;
    (app, options)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_delivered_too_often_is_stored_replayed_and_delivered_once() {
    let (app, options) = impatient();
    let world = app.start_with(options).await;
    let room = world.room("ann", "Tea").await;
    world.join(&room, "bob").await;
    let mut watcher = world.client.connect("bob").await;
    let send = async |id: &str| {
        world.send(&message("ann", ("RoomID", &room), id)).await;
        world.send(&message("ann", ("ReceiverID", "bob"), id)).await;
    };
    // Ingest goes on from what it lately knew of the room.
    send("0").await;
    world.settled().await;
    world.stores("away").await;
    for id in ["1", "2", "3"] {
        send(id).await;
    }
    let all_are_dead = |status: &Status| status.queues_are_empty() && status.dead_letters.len() == 6;
    world.host.wait_for(PATIENCE, all_are_dead).await.unwrap();
    // Those that empty the dead-letter queues wait too, and fail slowly: not hundreds of calls in a second.
    let of = |status: &Status, count: fn(&funchost::FunctionStatus) -> u64| -> u64 {
        ["deadLetters", "deadLettersTopic"].map(|name| count(&status.functions[name])).iter().sum()
    };
    let status = world.host.wait_for(PATIENCE, |status| of(status, |it| it.failures) > 0).await.unwrap();
    assert!(of(&status, |it| it.invocations) <= 12, "{status:#?}");

    world.stores("here").await;
    world.host.wait_for(PATIENCE, |status| status.dead_letters.is_empty()).await.unwrap();
    world.until(async || world.room_history(&room).await.len() == 4).await;
    world.until(async || world.direct_history("bob", "ann").await.len() == 4).await;
    assert_eq!(texts(&world.room_history(&room).await, "id"), ["0", "1", "2", "3"]);
    assert_eq!(texts(&world.direct_history("bob", "ann").await, "id"), ["0", "1", "2", "3"]);
    let mut live = Vec::new();
    while live.len() < 8 {
        live.push(watcher.message().await["id"].as_str().unwrap().to_owned());
    }
    world.until(async || world.letters("waiting").await.is_empty()).await;
    assert_eq!(world.inbox("bob").await.len(), 4);
    assert!(world.dead().await.is_empty() && world.rejected().await.is_empty());
    world.ends_well(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_too_long_and_what_is_no_message_come_to_their_ends() {
    let (app, options) = impatient();
    let world = app.start_with(options).await;
    let body = message("ann", ("ReceiverID", "bob"), "late").to_string();
    let late = Message::new(body).with_session("x").with_time_to_live(Duration::ZERO);
    world.produce("chat-queue", late).await;
    let words = Message::new("words").with_id("w").with_session("y").with_time_to_live(Duration::ZERO);
    world.produce("chat-topic", words).await;
    world.until(async || world.direct_history("bob", "ann").await.len() == 1).await;
    world.until(async || world.dead().await.len() == 1).await;
    let letter = &world.dead().await[0];
    assert_eq!((&letter["code"], &letter["body"]), (&json!("invalid_json"), &json!("words")));
    assert!(letter["reason"].as_str().unwrap().contains("TTLExpiredException"), "{letter}");
    assert_eq!(letter["entity"], "topic");

    let named = json!({ "kind": "dead", "id": letter["id"] });
    let replayed = world.client.post("/api/admin/letters/replay", "root", &named).await;
    assert_eq!((replayed.status, &replayed.json["code"]), (409, &json!("letter_is_poison")));
    for _ in 0..2 {
        let discarded = world.client.post("/api/admin/letters/discard", "root", &named).await;
        assert_eq!((discarded.status, &discarded.json["status"]), (200, &json!("discarded")));
    }
    assert!(world.dead().await.is_empty());
    let audit = world.client.get("/api/admin/audit?action=letter.discard", "root").await.json;
    assert_eq!(audit["records"].as_array().unwrap().len(), 1, "{audit}");
    assert_eq!(audit["records"][0]["origin"], "address:127.0.0.1");
    world.ends_well(0).await;
}

/// Waiting letters are on disk: a killed program goes on with them.
#[tokio::test(flavor = "multi_thread")]
async fn a_letter_outlives_the_program() {
    let (app, mut options) = impatient();
    // Nobody replays by itself here.
    app.edit("retention/function.json", |function| function["disabled"] = json!(true));
    options.max_handler_errors = u32::MAX;
    let world = app.start_with(options).await;
    world.stores("away").await;
    world.send(&message("ann", ("ReceiverID", "bob"), "1")).await;
    world.host.wait_for(PATIENCE, |status| status.dead_letters.len() == 1).await.unwrap();
    world.stores("here").await;
    world.host.wait_for(PATIENCE, |status| status.dead_letters.is_empty()).await.unwrap();
    world.host.kill_handler().await;
    let is_back = |status: &Status| status.handler_errors == 1 && status.handler == "ready";
    world.host.wait_for(PATIENCE, is_back).await.unwrap();
    let letters = world.letters("waiting").await;
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0]["code"], "too_many_deliveries");
    let named = json!({ "kind": "waiting", "id": letters[0]["id"] });
    let replayed = world.client.post("/api/admin/letters/replay", "root", &named).await;
    assert_eq!((replayed.status, &replayed.json["number"]), (200, &json!(1)), "{replayed:?}");
    let again = world.client.post("/api/admin/letters/replay", "root", &named).await;
    assert_eq!((again.status, &again.json["code"]), (404, &json!("letter_not_found")));
    assert_eq!(texts(&world.direct_history("bob", "ann").await, "id"), ["1"]);
    let restarts = world.host.status().restarts;
    world.ends_well(restarts).await;
}
