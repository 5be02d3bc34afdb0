//! What is changed is seen by all, in one order, and caught up with by who was away.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::people::{Person, make_room};
use crate::product::{Product, call};

const PEOPLE: usize = 20;

async fn people_in(product: &Product, room: &str, count: usize) -> Vec<Person> {
    let mut people =
        join_all((0..count).map(async |n| Person::connect(product, &format!("m-{n}")).await)).await;
    join_all(people.iter_mut().map(async |person| person.joins(room).await)).await;
    people
}

/// The room's entries that somebody heard, answers to themself left out.
fn entries(person: &Person, room: &str, types: &[&str]) -> Vec<Value> {
    let of_room = person.heard.iter().filter(|frame| frame["room_id"] == room && frame["seq"].is_u64());
    of_room.filter(|frame| types.iter().any(|kind| frame["type"] == *kind)).cloned().collect()
}

fn sync(product: &Product, who: &str, body: &Value) -> Value {
    let path = format!("/api/sync?user_id={who}");
    let answer = product.post(&path, &body.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// All entries of a room behind a cursor, page by page.
fn behind(product: &Product, who: &str, room: &str, mut cursor: u64) -> Vec<Value> {
    let mut all = Vec::new();
    loop {
        let answer = sync(product, who, &json!({"cursors": {room: cursor}, "limit": 40}));
        let part = &answer["conversations"][room];
        assert!(part.get("error").is_none() && part.get("gap").is_none(), "{part}");
        all.extend(part["entries"].as_array().unwrap().iter().cloned());
        match part["next"].as_u64() {
            Some(next) => cursor = next,
            None => return all,
        }
    }
}

fn seqs(entries: &[Value]) -> Vec<u64> {
    entries.iter().map(|entry| entry["seq"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn edits_deletions_reactions_and_pins_are_seen_by_all_in_one_order() {
    let product = Product::alone(&[]);
    let room = make_room(&product, "ann", "Changes");
    let mut ann = Person::connect(&product, "ann").await;
    let mut people = people_in(&product, &room, PEOPLE).await;
    let (kept, gone) =
        (ann.says(&room, "kept").await["seq"].clone(), ann.says(&room, "gone").await["seq"].clone());
    join_all(people.iter_mut().map(async |person| {
        person.asks(json!({"action": "react", "room": room, "seq": kept, "emoji": "🍵"}), "reacted").await
    }))
    .await;
    people[0].asks(json!({"action": "unreact", "room": room, "seq": kept, "emoji": "🍵"}), "reacted").await;
    ann.asks(json!({"action": "edit", "room": room, "seq": kept, "content": "kept well"}), "edited").await;
    ann.asks(json!({"action": "pin", "room": room, "seq": kept}), "pins_changed").await;
    ann.asks(json!({"action": "delete", "room": room, "seq": gone}), "deleted").await;

    let told = behind(&product, "ann", &room, 0);
    let kinds = ["edit", "delete", "reaction", "pinned"];
    let changes: Vec<&Value> =
        told.iter().filter(|entry| kinds.iter().any(|kind| entry["type"] == *kind)).collect();
    assert_eq!(changes.len(), PEOPLE + 4);
    for person in &mut people {
        person.catches_up(&product).await;
        // What one has done oneself is answered, and not sent.
        let others: Vec<Value> = changes
            .iter()
            .filter(|entry| entry["by"] != person.name.as_str())
            .map(|entry| (*entry).clone())
            .collect();
        assert_eq!(entries(person, &room, &kinds), others, "{}", person.name);
        let shown =
            person.asks(json!({"action": "get_message", "room": room, "seq": kept}), "message_info").await;
        assert_eq!(shown["message"]["content"], "kept well");
        let pins = person.asks(json!({"action": "pins", "room": room}), "pins").await;
        assert_eq!(pins["messages"].as_array().unwrap().len(), 1);
    }
    let reacted = ann
        .asks(json!({"action": "reactions", "room": room, "seq": kept, "emoji": "🍵"}), "reacted_by")
        .await;
    assert_eq!(reacted["users"].as_array().unwrap().len(), PEOPLE - 1);
}

#[tokio::test]
async fn one_of_twenty_is_taken_out_while_messages_flow() {
    let product = Product::alone(&[]);
    let room = make_room(&product, "ann", "Flow");
    let mut ann = Person::connect(&product, "ann").await;
    let mut people = people_in(&product, &room, PEOPLE).await;
    let mut speaker = Person::connect(&product, "speaker").await;
    speaker.joins(&room).await;
    let said: Vec<String> = (0..60).map(|n| format!("word {n}")).collect();
    for text in &said[..10] {
        speaker.says(&room, text).await;
    }
    // The flow goes on while the removal is under way, and behind it.
    let flow = async {
        for text in &said[10..50] {
            speaker.says(&room, text).await;
        }
    };
    let remove = json!({"action": "remove_member", "room": room, "user": "m-7", "reason": "enough"});
    tokio::join!(flow, ann.asks(remove, "member_removed"));
    for text in &said[50..] {
        speaker.says(&room, text).await;
    }
    for person in &mut people {
        person.catches_up(&product).await;
        let heard = person.messages().remove(&room).unwrap_or_default();
        if person.name != "m-7" {
            assert_eq!(heard, said, "{}", person.name);
            continue;
        }
        assert_eq!(heard, said[..heard.len()], "what came before, in order");
        assert!(heard.len() >= 10 && heard.len() <= 50, "{heard:?}");
        let told = person.heard.iter().position(|frame| frame["type"] == "removed").unwrap();
        let behind = person.heard[told..]
            .iter()
            .filter(|frame| frame["seq"].is_u64() && frame["room_id"] == room.as_str());
        assert_eq!(behind.count(), 0, "nothing of the room behind the removal");
        let typing = json!({"action": "typing", "room": room});
        assert_eq!(person.is_refused(typing).await, "not_a_member");
    }
}

#[tokio::test]
async fn who_was_away_for_many_changes_comes_back_to_all_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("STORAGE_MODE", "file"), ("DATA_DIR", dir.path().to_str().unwrap())];
    let product = Product::alone(&settings);
    let room = make_room(&product, "ann", "Away");
    let mut ann = Person::connect(&product, "ann").await;
    let mut bob = Person::connect(&product, "bob").await;
    bob.joins(&room).await;
    ann.says(&room, "seen").await;
    let cursor = bob.hears("seen").await["seq"].as_u64().unwrap();
    drop(bob);
    for n in 0..120 {
        let seq = ann.says(&room, &format!("{n}")).await["seq"].clone();
        if n % 3 == 0 {
            ann.asks(json!({"action": "edit", "room": room, "seq": seq, "content": "new"}), "edited").await;
        }
        if n % 5 == 0 {
            ann.asks(json!({"action": "delete", "room": room, "seq": seq}), "deleted").await;
        }
    }
    // Back on a new connection first, then asking: what is said meanwhile comes by one way or by both.
    let mut bob = Person::connect(&product, "bob").await;
    ann.says(&room, "between").await;
    let missed = behind(&product, "bob", &room, cursor);
    let last = ann.says(&room, "live").await["seq"].as_u64().unwrap();
    bob.hears("live").await;
    let mut all: BTreeMap<u64, Value> =
        missed.iter().map(|entry| (entry["seq"].as_u64().unwrap(), entry.clone())).collect();
    for frame in entries(&bob, &room, &["message", "edit", "delete"]) {
        let known = all.insert(frame["seq"].as_u64().unwrap(), frame.clone());
        assert!(known.is_none_or(|known| known == frame), "the same by either way");
    }
    assert_eq!(all.into_keys().collect::<Vec<_>>(), (cursor + 1..=last).collect::<Vec<_>>());
    let by_socket =
        bob.asks(json!({"action": "sync", "cursors": {&room: cursor}, "limit": 2000}), "sync").await;
    let by_socket = by_socket["conversations"][&room]["entries"].as_array().unwrap().clone();
    assert_eq!(seqs(&by_socket), (cursor + 1..=last).collect::<Vec<_>>());
}

#[tokio::test]
async fn nothing_falls_between_joining_and_asking() {
    let product = Product::alone(&[]);
    let room = make_room(&product, "ann", "Busy");
    let mut ann = Person::connect(&product, "ann").await;
    for turn in 0..10 {
        let mut new = Person::connect(&product, &format!("new-{turn}")).await;
        let talk = async {
            for n in 0..12 {
                ann.says(&room, &format!("{turn}: {n}")).await;
            }
        };
        let arrive = async {
            new.joins(&room).await;
            let asked = json!({"action": "sync", "cursors": {&room: 0}, "limit": 2000});
            new.asks(asked, "sync").await["conversations"][&room]["entries"].as_array().unwrap().clone()
        };
        let ((), fetched) = tokio::join!(talk, arrive);
        let last = format!("{turn}: 11");
        // Who has joined behind the last word has fetched it.
        if fetched.iter().all(|entry| entry["content"] != last.as_str()) {
            new.hears(&last).await;
        }
        let mut all = seqs(&fetched);
        all.extend(seqs(&entries(&new, &room, &["message", "joined"])));
        all.sort_unstable();
        all.dedup();
        let head = *all.last().unwrap();
        assert_eq!(all, (1..=head).collect::<Vec<_>>(), "turn {turn}");
        // It leaves the list short: the next turn has other names.
        let left =
            call(product.http, "POST", &format!("/api/rooms/{room}/leave?user_id=new-{turn}"), &[], b"");
        assert_eq!(left.status, 200, "{}", left.text());
    }
}
