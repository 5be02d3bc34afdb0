//! Read marks, receipts and typing.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::people::{Person, history, make_room};
use crate::product::Product;

const READERS: usize = 12;
const SAID: u64 = 9;

fn my_room(product: &Product, who: &str, room: &str) -> Value {
    let answer = product.get(&format!("/api/me/rooms?user_id={who}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let rooms = answer.json()["rooms"].as_array().unwrap().clone();
    rooms.into_iter().find(|mine| mine["id"] == room).unwrap()
}

#[tokio::test]
async fn marks_and_unread_counts_outlive_a_killed_process() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("STORAGE_MODE", "file"), ("DATA_DIR", dir.path().to_str().unwrap())];
    let mut product = Product::alone(&settings);
    let room = make_room(&product, "ann", "Marks");
    let mut ann = Person::connect(&product, "ann").await;
    let mut bob = Person::connect(&product, "bob").await;
    let mut cat = Person::connect(&product, "cat").await;
    for reader in [&mut bob, &mut cat] {
        reader.joins(&room).await;
    }
    let mut seqs = Vec::new();
    for n in 0..6 {
        seqs.push(ann.says(&room, &format!("{n}")).await["seq"].as_u64().unwrap());
        // What is no message is nothing to read.
        bob.asks(json!({"action": "react", "room": room, "seq": seqs[n], "emoji": "👍"}), "reacted").await;
    }
    let read = bob.asks(json!({"action": "read", "room": room, "seq": seqs[3]}), "read_up_to").await;
    assert_eq!((&read["read_seq"], &read["unread"]), (&json!(seqs[3]), &json!(2)));
    product.signal("KILL");
    product.ended();

    let product = Product::alone(&settings);
    for (who, unread) in [("bob", 2), ("cat", 6)] {
        assert_eq!(my_room(&product, who, &room)["unread"], unread, "{who}");
    }
    assert_eq!(my_room(&product, "bob", &room)["read_seq"], seqs[3]);
    let mut ann = Person::connect(&product, "ann").await;
    ann.says(&room, "after").await;
    assert_eq!(my_room(&product, "bob", &room)["unread"], 3);
    let mut bob = Person::connect(&product, "bob").await;
    let lower = bob.asks(json!({"action": "read", "room": room, "seq": 1}), "read_up_to").await;
    assert_eq!((&lower["read_seq"], &lower["unread"]), (&json!(seqs[3]), &json!(3)), "never lowered");
}

#[tokio::test]
async fn receipts_come_at_most_once_a_second_and_end_at_the_highest() {
    let product = Product::alone(&[]);
    let room = make_room(&product, "ann", "Receipts");
    let mut ann = Person::connect(&product, "ann").await;
    let mut readers =
        join_all((0..READERS).map(async |n| Person::connect(&product, &format!("r-{n}")).await)).await;
    join_all(readers.iter_mut().map(async |reader| reader.joins(&room).await)).await;
    let mut last = 0;
    for n in 0..SAID {
        last = ann.says(&room, &format!("{n}")).await["seq"].as_u64().unwrap();
    }
    let started = Instant::now();
    join_all(readers.iter_mut().map(async |reader| {
        for seq in last - SAID + 1..=last {
            reader.asks(json!({"action": "read", "room": room, "seq": seq}), "read_up_to").await;
        }
    }))
    .await;
    let (mut marks, mut events) = (BTreeMap::<String, u64>::new(), 0_u64);
    while marks.len() < READERS || marks.values().any(|seq| *seq < last) {
        let event = ann.until(|frame| frame["type"] == "read" && frame["room_id"] == room.as_str()).await;
        events += 1;
        for mark in event["marks"].as_array().unwrap() {
            let (user, seq) = (mark["user"].as_str().unwrap().to_owned(), mark["seq"].as_u64().unwrap());
            assert!(marks.insert(user, seq).is_none_or(|before| before < seq), "each mark only rises");
        }
    }
    let heard = ann.heard.iter().filter(|frame| frame["type"] == "read").count();
    let beats = started.elapsed().as_secs() + 2;
    assert!(heard as u64 <= beats && events <= beats, "{heard} events in {:?}", started.elapsed());
}

#[tokio::test]
async fn typing_is_told_together_ends_by_itself_and_is_nowhere_kept() {
    let product = Product::alone(&[]);
    let room = make_room(&product, "ann", "Typing");
    let mut ann = Person::connect(&product, "ann").await;
    let mut typists =
        join_all((0..READERS).map(async |n| Person::connect(&product, &format!("t-{n:02}")).await)).await;
    join_all(typists.iter_mut().map(async |typist| typist.joins(&room).await)).await;
    let started = Instant::now();
    join_all(
        typists
            .iter_mut()
            .map(async |typist| typist.asks(json!({"action": "typing", "room": room}), "typing_set").await),
    )
    .await;
    let is_typing = |frame: &Value, count: usize| frame["type"] == "typing" && frame["count"] == count;
    let all = ann.until(|frame| is_typing(frame, READERS)).await;
    let names: Vec<String> = (0..READERS).map(|n| format!("t-{n:02}")).collect();
    assert_eq!(all["users"], json!(names));
    // One sends what was typed; the others stop without a word.
    typists[3].says(&room, "done").await;
    let others = ann.until(|frame| frame["type"] == "typing" && frame["count"] != READERS).await;
    assert!(!others["users"].as_array().unwrap().contains(&json!("t-03")));
    ann.until(|frame| is_typing(frame, 0)).await;
    assert!(started.elapsed() >= Duration::from_secs(5), "not before its time");
    let told = ann.heard.iter().filter(|frame| frame["type"] == "typing").count();
    assert!(told as u64 <= started.elapsed().as_secs() + 2, "{told} events");
    assert_eq!(history(&product, &room, "ann"), ["done"]);
    let kept = ann.asks(json!({"action": "sync", "cursors": {&room: 0}}), "sync").await;
    let kept = kept["conversations"][&room]["entries"].as_array().unwrap();
    assert!(kept.iter().all(|entry| entry["type"] != "typing"));
    assert_eq!(kept.len(), READERS + 2, "joinings and one message");
}
