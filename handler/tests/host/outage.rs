//! The store refuses everything for a while. Messages wait inside their invocations, so the bus counts no deliveries, and
//! go on at once when it is back.

use std::collections::BTreeSet;
use std::time::Duration;

use funchost::{Message, Status};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::world::{App, PATIENCE, World, are_numbered, sorted_texts, texts};

/// Longer than ten deliveries take, and longer than any single pause between tries.
const OUTAGE: Duration = Duration::from_secs(20);
/// A pause between tries is at most half a second, so every conversation resumes within one. The second one is for
/// machines that are busy with other tests.
const RESUMED_WITHIN: Duration = Duration::from_secs(2);
/// More than the host holds sessions at once.
const PAIRS: usize = 80;
const ROOMS: usize = 20;
const ROUNDS: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_doubled_or_given_up_and_order_holds() {
    let world = App::new().start().await;
    let mut rooms = Vec::new();
    for n in 0..ROOMS {
        rooms.push(world.room(&owner(n), &format!("Room {n}")).await);
    }
    // A watcher in every room sees the first delivery after the outage without asking for it.
    for room in &rooms {
        world.join(room, "watcher").await;
    }
    let mut watcher = world.client.connect("watcher").await;
    // Ingest goes on from what it lately knew of the rooms.
    send_round(&world, &rooms, 0).await;
    world.settled().await;
    for _ in &rooms {
        watcher.message().await;
    }

    let began = Instant::now();
    world.stores("away").await;
    for round in 1..ROUNDS {
        send_round(&world, &rooms, round).await;
        tokio::time::sleep_until(began + OUTAGE * u32::try_from(round).unwrap() / ROUNDS as u32).await;
    }
    world.produce("chat-topic", Message::new("poison").with_session("general")).await;
    tokio::time::sleep_until(began + OUTAGE).await;
    let status = world.host.status();
    let failures: u64 = status.functions.values().map(|function| function.failures).sum();
    assert_eq!(failures, 0, "waited out, not failed: {status:#?}");

    let recovered = Instant::now();
    world.stores("here").await;
    let mut silent: BTreeSet<&str> = rooms.iter().map(String::as_str).collect();
    let mut first = Duration::MAX;
    while !silent.is_empty() {
        silent.remove(watcher.message().await["room_id"].as_str().unwrap());
        first = first.min(recovered.elapsed());
    }
    let last = recovered.elapsed();
    assert!(last <= RESUMED_WITHIN, "the first room resumed after {first:?}, the last after {last:?}");
    println!("delivery resumed in the first room after {first:?}, in the last after {last:?}");

    world.settled().await;
    for (n, room) in rooms.iter().enumerate() {
        is_complete(&world.room_history(room).await, &owner(n));
    }
    for n in 0..PAIRS {
        let (from, to) = pair(n);
        is_complete(&world.direct_history(&to, &from).await, &from);
        assert_eq!(sorted_texts(&world.inbox(&to).await, "id"), ids(&from), "{to}'s inbox");
    }
    assert_eq!(world.dead().await.len(), 1, "the poison, and nothing else");
    assert!(world.rejected().await.is_empty());
    world.ends_well(0).await;
}

/// An invocation that cannot wait longer fails in its own time, before the host ends the process for it, and its message
/// comes again.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_longer_than_an_invocation_costs_deliveries_and_no_message() {
    let app = App::new();
    // Thirty seconds of it are kept in reserve: two are left to wait.
    app.edit("host.json", |host| host["functionTimeout"] = json!("00:00:32"));
    let world = app.start().await;
    world.stores("away").await;
    for round in 0..3 {
        let message = json!({ "SenderID": "ann", "ReceiverID": "bob", "MessageText": "x", "MessageID": round.to_string() });
        world.send(&message).await;
    }
    let has_failed_twice = |status: &Status| status.functions["processQueue"].failures >= 2;
    world.host.wait_for(PATIENCE, has_failed_twice).await.unwrap();
    world.stores("here").await;
    let status = world.settled().await;
    assert_eq!(status.functions["processQueue"].timeouts, 0);
    assert_eq!(texts(&world.direct_history("bob", "ann").await, "id"), ["0", "1", "2"]);
    assert_eq!(world.inbox("bob").await.len(), 3);
    world.ends_well(0).await;
}

fn owner(n: usize) -> String {
    format!("owner-{n}")
}

fn pair(n: usize) -> (String, String) {
    (format!("from-{n}"), format!("to-{n}"))
}

fn ids(sender: &str) -> Vec<String> {
    (0..ROUNDS).map(|round| format!("{sender}-{round}")).collect()
}

/// Every message once, in the sender's order.
fn is_complete(history: &[Value], sender: &str) {
    assert_eq!(texts(history, "id"), ids(sender));
    assert!(are_numbered(history), "{history:?}");
}

/// One message in every conversation.
async fn send_round(world: &World, rooms: &[String], round: usize) {
    let to_rooms = rooms.iter().enumerate().map(|(n, room)| {
        let from = owner(n);
        json!({ "SenderID": from, "RoomID": room, "MessageText": "x", "MessageID": format!("{from}-{round}") })
    });
    let to_people = (0..PAIRS).map(|n| {
        let (from, to) = pair(n);
        json!({ "SenderID": from, "ReceiverID": to, "MessageText": "x", "MessageID": format!("{from}-{round}") })
    });
    let messages: Vec<Value> = to_rooms.chain(to_people).collect();
    join_all(messages.iter().map(|message| world.send(message))).await;
}
