//! The program is killed at random moments while messages flow. Whatever was accepted is in history once, in its sender's
//! order, and in the receiver's inbox once.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use funchost::Status;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::world::{App, PATIENCE, World, are_numbered, sorted_texts, texts};

const KILLS: u64 = 20;
const SENDERS: usize = 8;
/// MaxDeliveryCount of the deployment's templates: each kill costs what was in hand a delivery.
const MAX_DELIVERIES: u32 = 2_000;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_is_there_once_and_in_order() {
    let app = App::new();
    let mut options = app.options();
    options.max_handler_errors = u32::MAX;
    options.broker.max_delivery_count = MAX_DELIVERIES;
    let world = app.start_with(options).await;
    let room = world.room("ann", "Crashes").await;

    let is_over = AtomicBool::new(false);
    let sending = join_all((0..SENDERS).map(|n| sender(&world, &room, n, &is_over)));
    let killing = async {
        for kill in 1..=KILLS {
            let moment = u64::from(getrandom::u32().unwrap() % 300);
            tokio::time::sleep(Duration::from_millis(moment)).await;
            world.host.kill_handler().await;
            let is_back = |status: &Status| status.handler_errors == kill && status.handler == "ready";
            world.host.wait_for(PATIENCE, is_back).await.unwrap();
        }
        is_over.store(true, Ordering::Relaxed);
    };
    let (accepted, ()) = tokio::join!(sending, killing);
    let status = world.settled().await;

    let in_room = world.room_history(&room).await;
    assert!(are_numbered(&in_room));
    let mut count = 0;
    for (n, accepted) in accepted.iter().enumerate() {
        let (from, to) = (format!("from-{n}"), format!("to-{n}"));
        let mine: Vec<Value> =
            in_room.iter().filter(|message| message["sender"] == from.as_str()).cloned().collect();
        holds_once_in_order(&texts(&mine, "id"), &accepted.in_room);
        let direct = world.direct_history(&to, &from).await;
        assert!(are_numbered(&direct));
        holds_once_in_order(&texts(&direct, "id"), &accepted.direct);
        // What is in the log is in the inbox, acknowledged by nobody yet.
        assert_eq!(sorted_texts(&world.inbox(&to).await, "id"), sorted_texts(&direct, "id"), "{to}");
        count += accepted.in_room.len() + accepted.direct.len();
    }
    assert!(count > SENDERS * 10, "too few to mean anything: {count}");
    assert!(world.dead().await.is_empty() && world.rejected().await.is_empty());
    println!("{count} messages were accepted between {KILLS} kills");
    world.ends_well(status.restarts).await;
}

#[derive(Default)]
struct Accepted {
    in_room: Vec<String>,
    direct: Vec<String>,
}

/// Sends to room and person in turn, with and without an id of its own. What fails with an id is repeated until it is
/// accepted; without one it is let go, and may or may not arrive.
async fn sender(world: &World, room: &str, n: usize, is_over: &AtomicBool) -> Accepted {
    let (from, to) = (format!("from-{n}"), format!("to-{n}"));
    let mut accepted = Accepted::default();
    for round in 0.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let is_for_room = round % 2 == 0;
        let mut message = json!({ "SenderID": from, "MessageText": "x" });
        let (name, place) = if is_for_room { ("RoomID", room) } else { ("ReceiverID", to.as_str()) };
        message[name] = place.into();
        let has_id = round % 3 != 0;
        if has_id {
            message["MessageID"] = format!("{from}-{round}").into();
        }
        let id = loop {
            let answer = world.client.post("/api/sendMessage", &from, &message).await;
            if answer.status == 200 {
                break Some(answer.json["MessageID"].as_str().unwrap().to_owned());
            }
            assert!(answer.status >= 500, "{answer:?}");
            if !has_id {
                break None;
            }
        };
        let list = if is_for_room { &mut accepted.in_room } else { &mut accepted.direct };
        list.extend(id);
    }
    accepted
}

/// The history holds each accepted message once, in this order; others may stand between.
fn holds_once_in_order(history: &[String], accepted: &[String]) {
    let distinct: BTreeSet<&String> = history.iter().collect();
    assert_eq!(distinct.len(), history.len(), "doubles in {history:?}");
    let mut rest = history.iter();
    for id in accepted {
        assert!(rest.any(|other| other == id), "{id} is lost or out of order: {accepted:?} in {history:?}");
    }
}
