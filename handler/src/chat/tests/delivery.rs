use std::time::Duration;

use super::world::*;
use crate::adapters::faulty::Mode;
use crate::chat::{Fate, Patience};
use crate::contract::data::{conversation, user};
use crate::ports::{Entity, LetterKind, Received};

#[tokio::test]
async fn live_and_history_say_the_same() {
    let world = World::open().await;
    world.say("ann", "general", "m1", "hi").await;
    let received = world.accept_direct("ann", "bob", "m2", "psst").await;
    world.deliver(&[received]).await;

    let live = world.heard("room_general");
    assert_eq!(world.history("bob", "general").await["messages"], serde_json::json!(live));
    assert_eq!(
        live[0].to_string(),
        serde_json::json!({"type":"message","id":"m1","seq":1,"number":1,"room_id":"general","room_name":"General",
            "sender":"ann","content":"hi","timestamp":"2027-01-15T08:00:00.000Z"})
        .to_string()
    );
    let direct = world.chat.direct_history(&caller("bob"), "ann", Default::default()).await.unwrap();
    let direct = serde_json::to_value(direct).unwrap();
    assert_eq!(direct["messages"], serde_json::json!(world.heard("user_bob")));
    assert_eq!(direct["messages"], serde_json::json!(world.heard("user_ann")));
    assert_eq!(direct["messages"][0]["to"], "bob");
    assert_eq!(direct["messages"][0]["conversation"], pair("ann", "bob").as_str());
}

#[tokio::test]
async fn a_batch_is_delivered_in_its_order_whatever_its_conversations() {
    let world = World::open().await;
    let tea = world.room("ann", "Tea").await;
    let mut batch = Vec::new();
    for n in 0..100 {
        let room = if n % 3 == 0 { tea.as_str() } else { "general" };
        batch.push(world.accept("ann", room, &format!("{n:03}"), "x").await);
    }
    let fates = world.chat.deliver(&batch, Patience::Forever).await.unwrap();
    assert!(fates.iter().all(|fate| matches!(fate, Fate::Delivered { duplicate: false, .. })));
    for (group, rest) in [("room_general", false), (&*format!("room_{tea}"), true)] {
        let ids = world.heard_ids(group);
        let wanted: Vec<_> = (0..100).filter(|n| (n % 3 == 0) == rest).map(|n| format!("{n:03}")).collect();
        assert_eq!(ids, wanted);
    }
}

#[tokio::test]
async fn a_redelivery_changes_nothing_and_is_not_heard_again() {
    let world = World::open().await;
    let received = world.accept("ann", "general", "m1", "hi").await;
    world.deliver(std::slice::from_ref(&received)).await;
    let again = world.chat.deliver(&[Received { attempt: 2, ..received }], Patience::Forever).await.unwrap();
    assert_eq!(again, [Fate::Delivered { seq: 1, number: 1, duplicate: true }]);
    assert_eq!(world.heard_ids("room_general"), ["m1"]);
    assert_eq!(world.chat.counters().duplicates.get(), 1);
}

#[tokio::test]
async fn two_senders_with_one_id_are_two_messages() {
    let world = World::open().await;
    world.say("ann", "general", "1", "ann's").await;
    world.say("bob", "general", "1", "bob's").await;
    assert_eq!(world.contents(&conversation("general")).await, ["ann's", "bob's"]);
}

#[tokio::test]
async fn what_a_crash_left_behind_is_sent_before_the_next_message() {
    let mut world = World::open().await;
    world.say("ann", "general", "m1", "one").await;
    // The append happens and the process dies before the fan-out.
    let received = world.accept("ann", "general", "m2", "two").await;
    world.live.set(Mode::FailAll);
    let budget = Patience::Until(Duration::from_secs(1));
    assert!(world.chat.deliver(&[received], budget).await.is_err());
    world.restart();
    world.live.set(Mode::Quiet);
    assert_eq!(world.heard_ids("room_general"), ["m1"]);

    world.say("bob", "general", "m3", "three").await;
    assert_eq!(world.heard_ids("room_general"), ["m1", "m2", "m3"]);
    assert_eq!(world.head(&conversation("general")).await.sent, 3);
}

#[tokio::test]
async fn a_redelivered_message_is_heard_as_it_was_stored() {
    let mut world = World::open().await;
    let received = world.accept_direct("ann", "bob", "m1", "first words").await;
    world.live.set(Mode::FailAll);
    assert!(world.chat.deliver(&[received], Patience::Until(Duration::ZERO)).await.is_err());
    world.restart();
    world.live.set(Mode::Quiet);
    let other = world.accept_direct("ann", "bob", "m1", "other words").await;
    world.deliver(&[other]).await;
    assert_eq!(world.heard("user_bob")[0]["content"], "first words");
    assert_eq!(world.contents(&pair("ann", "bob")).await, ["first words"]);
}

#[tokio::test(start_paused = true)]
async fn the_appender_goes_on_where_the_transport_was_away() {
    let world = World::open().await;
    world.live.set(Mode::FailAll);
    let (ann, message) = (socket("ann", "c1"), br#"{"room_id":"general","id":"m1","content":"hi"}"#);
    assert!(world.chat.event(&ann, "send", message).await.is_ok(), "it is in the log");
    assert!(world.heard_ids("room_general").is_empty());
    world.live.set(Mode::Quiet);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.heard_ids("room_general"), ["m1"]);
}

#[tokio::test]
async fn a_message_to_a_room_that_is_gone_is_kept_and_its_sender_told() {
    let world = World::open().await;
    let tea = world.room("ann", "Tea").await;
    let late = world.accept("bob", tea.as_str(), "m1", "too late").await;
    world.chat.delete_room(&caller("ann"), tea.as_str(), None).await.unwrap();
    let fates = world.chat.deliver(&[late], Patience::Forever).await.unwrap();
    assert_eq!(fates, [Fate::Rejected { code: "room_not_found" }]);
    let letters = world.letters(LetterKind::Rejected).await;
    assert_eq!((letters.len(), letters[0].code.as_str()), (1, "room_not_found"));
    assert!(letters[0].body.contains("too late"));
    let document = include_str!("../../../../docs/PROTOCOL.md");
    let printed = document.split_once("```json rejected\n").unwrap().1.lines().next().unwrap();
    assert_eq!(world.heard("user_bob"), [serde_json::from_str::<serde_json::Value>(printed).unwrap()]);
}

#[tokio::test(start_paused = true)]
async fn membership_is_looked_at_again_when_a_message_is_appended() {
    let world = World::members_only().await;
    world.chat.join_room(&caller("ann"), "general").await.unwrap();
    let before = world.accept("ann", "general", "m1", "hi").await;
    let after = world.accept("ann", "general", "m2", "hi").await;
    world.deliver(std::slice::from_ref(&before)).await;
    world.chat.leave_room(&caller("ann"), "general").await.unwrap();
    // The first comes again: it is in the log, so it is not refused.
    let fates =
        world.chat.deliver(&[Received { attempt: 2, ..before }, after], Patience::Forever).await.unwrap();
    assert!(matches!(fates[0], Fate::Delivered { duplicate: true, .. }));
    assert_eq!(fates[1], Fate::Rejected { code: "not_a_member" });
    assert_eq!(world.letters(LetterKind::Rejected).await.len(), 1);
}

#[tokio::test]
async fn what_is_in_the_log_is_not_among_the_rejected() {
    let world = World::members_only().await;
    world.chat.join_room(&caller("ann"), "general").await.unwrap();
    let received = world.accept("ann", "general", "m1", "hi").await;
    world.chat.leave_room(&caller("ann"), "general").await.unwrap();
    world.deliver(std::slice::from_ref(&received)).await;
    assert_eq!(world.letters(LetterKind::Rejected).await.len(), 1);
    // The queue was never told, and the sender is back when it comes again.
    world.chat.join_room(&caller("ann"), "general").await.unwrap();
    world.deliver(&[Received { attempt: 2, ..received }]).await;
    assert_eq!(world.contents(&conversation("general")).await, ["hi"]);
    assert!(world.letters(LetterKind::Rejected).await.is_empty());
}

#[tokio::test]
async fn the_inbox_does_not_wait_for_a_transport_that_failed_before() {
    let world = World::open().await;
    world.live.set(Mode::FailAll);
    for id in ["m1", "m2"] {
        let message = format!(r#"{{"to":"bob","id":"{id}","content":"hi"}}"#);
        world.chat.event(&socket("ann", "c1"), "send", message.as_bytes()).await.unwrap();
    }
    assert_eq!(world.truth.inbox.list(&user("bob"), None, None, 9).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conversations_are_independent_and_each_keeps_its_order_under_load() {
    let world = std::sync::Arc::new(World::open().await);
    let senders = (0..1_000).map(|n| {
        let world = std::sync::Arc::clone(&world);
        tokio::spawn(async move {
            let (ann, to) = (socket("ann", "c1"), format!("user-{n}"));
            for id in 0..10 {
                let message = format!(r#"{{"to":"{to}","id":"{id}","content":"{id}"}}"#);
                world.chat.event(&ann, "send", message.as_bytes()).await.unwrap();
                let shared = format!(r#"{{"room":"general","id":"{to}-{id}","content":"{to}"}}"#);
                world.chat.event(&ann, "send", shared.as_bytes()).await.unwrap();
            }
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await.unwrap();
    }
    for n in 0..1_000 {
        let contents = world.contents(&pair("ann", &format!("user-{n}"))).await;
        assert_eq!(contents, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    }
    let seqs: Vec<_> =
        world.heard("room_general").iter().map(|frame| frame["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=10_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_room_whose_creation_stopped_half_way_takes_messages() {
    let world = World::open().await;
    let tea = world.room("ann", "Tea").await;
    let row = world.truth.rooms.get(&tea).await.unwrap().unwrap();
    let half = crate::model::Room { id: crate::contract::data::room_id("half"), name: "Half".into(), ..row };
    world.truth.rooms.create(&half).await.unwrap();
    world.say("bob", "half", "m1", "hi").await;
    assert_eq!(world.heard_ids("room_half"), ["m1"]);
}

#[tokio::test]
async fn foreign_messages_without_ids_are_each_a_message() {
    let world = World::open().await;
    let body = r#"{"sender":"bob","content":"ok"}"#;
    let one = Received { message_id: None, sequence_number: Some(1), ..foreign(Entity::Topic, body) };
    let two = Received { message_id: None, sequence_number: Some(2), ..foreign(Entity::Topic, body) };
    world.deliver(&[one.clone(), two, one]).await;
    assert_eq!(world.contents(&conversation("general")).await, ["ok", "ok"]);
}

#[tokio::test(start_paused = true)]
async fn idle_appenders_end() {
    let world = World::open().await;
    for n in 0..50 {
        let received = world.accept_direct("ann", &format!("user-{n}"), "m1", "hi").await;
        world.deliver(&[received]).await;
    }
    assert_eq!(world.chat.appenders.alive(), 50);
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(world.chat.appenders.alive(), 0);
    let again = world.accept_direct("ann", "user-7", "m2", "again").await;
    world.deliver(&[again]).await;
    assert_eq!(world.heard_ids("user_user-7"), ["m1", "m2"]);
}

#[tokio::test]
async fn a_message_to_oneself_is_heard_once() {
    let world = World::open().await;
    let note = world.accept_direct("ann", "ann", "m1", "note").await;
    world.deliver(&[note]).await;
    assert_eq!(world.heard_ids("user_ann"), ["m1"]);
    assert_eq!(world.truth.inbox.list(&user("ann"), None, None, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_batch_of_large_messages_is_appended_in_parts() {
    let world = World::open().await;
    let large = "ä".repeat(32_000);
    let mut batch = Vec::new();
    for n in 0..32 {
        batch.push(world.accept("ann", "general", &format!("m{n:02}"), &large).await);
    }
    let before = world.store.calls("log.append");
    world.deliver(&batch).await;
    assert_eq!(world.store.calls("log.append") - before, 3, "64,000 bytes each, 768 KiB at once");
    assert!(world.heard_ids("room_general").is_sorted());
}
