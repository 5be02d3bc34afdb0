//! Marks, unread counts, receipts and typing, in paused time.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::world::*;
use crate::adapters::faulty::Mode;
use crate::chat::MemberQuery;
use crate::contract::data::{message_by, new, user};
use crate::model::{ReadMark, RoomId};
use crate::ports::NewEntry;

const SECOND: Duration = Duration::from_secs(1);

fn general() -> RoomId {
    RoomId::new("general").unwrap()
}

async fn joined(members: &[&str]) -> World {
    let world = World::open().await;
    for member in members {
        world.chat.join_room(&caller(member), "general").await.unwrap();
    }
    world
}

async fn act(world: &World, who: &str, frame: Value) -> Value {
    serde_json::from_slice(&world.chat.text_frame(&socket(who, "c1"), frame.to_string().as_bytes()).await)
        .unwrap()
}

async fn unread(world: &World, who: &str) -> (u64, u64) {
    let page = world.chat.my_rooms(&caller(who), None, None).await.unwrap();
    (page.rooms[0].unread, page.rooms[0].read_seq)
}

fn told(world: &World, kind: &str) -> Vec<Value> {
    world.heard("room_general").into_iter().filter(|frame| frame["type"] == kind).collect()
}

#[tokio::test(start_paused = true)]
async fn unread_counts_messages_and_nothing_else() {
    let world = joined(&["ann", "bob"]).await;
    world.say("ann", "general", "m1", "one").await;
    world.say("ann", "general", "m2", "two").await;
    world.chat.join_room(&caller("cat"), "general").await.unwrap();
    let head = world.head(&general().conversation()).await;
    let edit = crate::model::Change::Edit { target: 3, content: "2".into(), by: user("ann") };
    let edit = NewEntry {
        marker: None,
        at: crate::model::Timestamp::from_millis(START),
        change: edit,
        only_behind: None,
    };
    world.truth.log.append(&general().conversation(), vec![edit]).await.unwrap();
    assert_eq!((head.seq, unread(&world, "bob").await), (5, (2, 1)), "joins and edits are no messages");
    assert_eq!(unread(&world, "cat").await.0, 0, "nothing from before is unread");
    let read = world.chat.mark_read(&caller("bob"), "general", 3).await.unwrap();
    assert_eq!((read.read_seq, read.unread), (3, 1));
    let lower = world.chat.mark_read(&caller("bob"), "general", 1).await.unwrap();
    assert_eq!(lower, read, "never lowered");
    let beyond = world.chat.mark_read(&caller("bob"), "general", 99).await.unwrap();
    assert_eq!((beyond.read_seq, beyond.unread), (6, 0), "clamped to the head");
    let stranger = world.chat.mark_read(&caller("eve"), "general", 1).await.unwrap_err();
    assert_eq!(stranger.code, "not_a_member");
}

#[tokio::test(start_paused = true)]
async fn a_mark_below_the_floor_is_the_floor() {
    let world = joined(&["ann", "bob"]).await;
    for n in 0..4 {
        world.say("ann", "general", &format!("m{n}"), "x").await;
    }
    world.truth.log.trim(&general().conversation(), 4).await.unwrap();
    let read = world.chat.mark_read(&caller("bob"), "general", 3).await.unwrap();
    assert_eq!((read.read_seq, read.unread), (4, 2));
}

#[tokio::test(start_paused = true)]
async fn sending_raises_the_senders_own_mark_with_one_write_a_second() {
    let world = joined(&["ann", "bob"]).await;
    for n in 0..50 {
        let send = json!({"action": "send", "room_id": "general", "content": "x", "id": format!("m{n}")});
        assert_eq!(act(&world, "ann", send).await["type"], "sent");
    }
    assert_eq!(unread(&world, "ann").await, (0, 52), "seen before it is written");
    assert_eq!(unread(&world, "bob").await.0, 50);
    sleep(SECOND * 3).await;
    let stored = world.truth.members.get(&general(), &user("ann")).await.unwrap().unwrap();
    assert_eq!((stored.read.seq, stored.read.number), (52, 50), "the last one is written");
    assert!(world.store.calls("members.raise_mark") <= 2);
    assert_eq!(told(&world, "read"), [json!(null); 0], "a message tells of its sender by itself");
    assert_eq!(world.chat.pulse.alive(), 0, "no beat without a cause");
}

#[tokio::test(start_paused = true)]
async fn a_mark_that_the_store_does_not_take_waits_for_it_and_the_end_writes_it() {
    let world = joined(&["ann"]).await;
    world.say("ann", "general", "m1", "x").await;
    world.store.set(Mode::FailAll);
    sleep(SECOND * 3).await;
    world.store.set(Mode::Quiet);
    world.chat.flush().await;
    let stored = world.truth.members.get(&general(), &user("ann")).await.unwrap().unwrap();
    assert_eq!(stored.read.seq, 2);
}

#[tokio::test(start_paused = true)]
async fn receipts_come_at_most_once_a_second_and_all_of_them() {
    let world = joined(&[]).await;
    let names: Vec<_> = (0..250).map(|n| format!("u{n}")).collect();
    for name in &names {
        world.chat.join_room(&caller(name), "general").await.unwrap();
    }
    world.say("ann", "general", "m1", "x").await;
    for name in &names {
        world.chat.mark_read(&caller(name), "general", 251).await.unwrap();
        world.chat.mark_read(&caller(name), "general", 251).await.unwrap();
    }
    sleep(SECOND / 2).await;
    assert_eq!(told(&world, "read").len(), 1);
    sleep(SECOND * 5).await;
    let events = told(&world, "read");
    assert!((3..=4).contains(&events.len()), "{}", events.len());
    let marks: Vec<_> = events.iter().flat_map(|event| event["marks"].as_array().unwrap()).collect();
    assert!(events.iter().all(|event| event["marks"].as_array().unwrap().len() <= 100));
    assert_eq!(marks.len(), 250, "each once");
    assert!(marks.iter().all(|mark| mark["seq"] == 251));
}

#[tokio::test(start_paused = true)]
async fn marks_only_rise_whoever_raises_them_at_once() {
    let world = joined(&["ann", "bob"]).await;
    for n in 0..20 {
        world.say("ann", "general", &format!("m{n}"), "x").await;
    }
    let bob = caller("bob");
    let reads = (1..=22).map(|n| world.chat.mark_read(&bob, "general", (n * 7) % 23));
    futures_util::future::join_all(reads).await;
    assert_eq!(unread(&world, "bob").await, (0, 22));
    sleep(SECOND * 3).await;
    let last = told(&world, "read").pop().unwrap();
    assert_eq!(last["marks"], json!([{"user": "bob", "seq": 22}]));
}

#[tokio::test(start_paused = true)]
async fn typing_is_told_once_a_second_and_ends_by_itself() {
    let world = joined(&["ann", "bob"]).await;
    let typing = |on: bool| json!({"action": "typing", "room_id": "general", "on": on});
    let answer = act(&world, "ann", typing(true)).await;
    assert_eq!(answer, json!({"type": "typing_set", "room_id": "general", "on": true}));
    for _ in 0..20 {
        act(&world, "bob", typing(true)).await;
    }
    sleep(SECOND / 2).await;
    assert_eq!(told(&world, "typing").len(), 1);
    sleep(SECOND).await;
    let both = json!({"type": "typing", "room_id": "general", "users": ["ann", "bob"], "count": 2});
    assert_eq!(told(&world, "typing").last(), Some(&both));
    world.say("bob", "general", "m1", "done").await;
    sleep(SECOND).await;
    assert_eq!(told(&world, "typing").last().unwrap()["users"], json!(["ann"]), "who sends stops typing");
    sleep(SECOND * 6).await;
    assert_eq!(told(&world, "typing").last().unwrap()["count"], 0, "expired");
    let frames = told(&world, "typing").len();
    sleep(SECOND * 20).await;
    assert_eq!((told(&world, "typing").len(), world.chat.pulse.alive()), (frames, 0));
    let log = world.head(&general().conversation()).await;
    assert_eq!((log.seq, log.count), (3, 1), "never stored");
    assert_eq!(act(&world, "eve", typing(true)).await["code"], "not_a_member");
}

/// The process died after the answer, before it wrote the mark.
#[tokio::test(start_paused = true)]
async fn who_said_the_last_word_has_nothing_unread() {
    let world = joined(&["ann", "bob"]).await;
    let said = vec![new(message_by("bob", "m1", "x")), new(message_by("ann", "m2", "x"))];
    world.truth.log.append(&general().conversation(), said).await.unwrap();
    assert_eq!(unread(&world, "ann").await, (0, 4));
    assert_eq!(unread(&world, "bob").await, (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_mark_that_is_not_written_counts_wherever_it_is_told() {
    let world = joined(&["ann", "bob"]).await;
    for n in 0..3 {
        world.say("ann", "general", &format!("m{n}"), "x").await;
    }
    let stored = world.truth.members.get(&general(), &user("ann")).await.unwrap().unwrap();
    assert!(stored.read.seq < 5, "it waits for the next beat");
    let page = world.chat.readers(&caller("bob"), "general", 5, None, None).await.unwrap();
    assert_eq!(page.readers.iter().map(|reader| reader.read_seq).collect::<Vec<_>>(), [5]);
    let members = world.chat.list_members(&caller("bob"), "general", &MemberQuery::default()).await.unwrap();
    assert_eq!(members.members[0].read_seq, 5);
}

/// Two devices of one user: the slower request carries the lower mark.
#[tokio::test(start_paused = true)]
async fn a_receipt_never_goes_backwards() {
    let world = joined(&["ann", "bob"]).await;
    for n in 0..4 {
        world.say("ann", "general", &format!("m{n}"), "x").await;
    }
    sleep(SECOND * 3).await;
    let before = told(&world, "read").len();
    world.store.set(Mode::Delay(SECOND));
    let chat = std::sync::Arc::clone(&world.chat);
    let slow = tokio::spawn(async move { chat.mark_read(&caller("bob"), "general", 4).await.unwrap() });
    // Behind the look at the caller's mark, before it is raised.
    while world.store.calls("log.entries") == 0 {
        sleep(SECOND / 4).await;
    }
    let mark = ReadMark { seq: 6, number: 4 };
    world.truth.members.raise_mark(&general(), &user("bob"), mark).await.unwrap();
    let read = slow.await.unwrap();
    assert_eq!((read.read_seq, read.unread), (6, 0), "the answer is what stands now");
    world.store.set(Mode::Quiet);
    sleep(SECOND * 3).await;
    assert_eq!(told(&world, "read").len(), before, "whoever raised it told of it");
}

/// Somebody speaks between the look at the head and the row.
#[tokio::test(start_paused = true)]
async fn what_was_said_while_somebody_joined_is_not_unread() {
    let world = joined(&["ann"]).await;
    world.store.set(Mode::Delay(SECOND));
    let chat = std::sync::Arc::clone(&world.chat);
    let joining = tokio::spawn(async move { chat.join_room(&caller("bob"), "general").await.unwrap() });
    while world.store.calls("members.add") < 2 {
        sleep(SECOND / 4).await;
    }
    world.truth.log.append(&general().conversation(), vec![new(message_by("ann", "m1", "x"))]).await.unwrap();
    joining.await.unwrap();
    world.store.set(Mode::Quiet);
    assert_eq!(unread(&world, "bob").await, (0, 3));
}
