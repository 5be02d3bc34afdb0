//! Reviews hold a copy of what was said, and go when it has to.

use std::time::Duration;

use serde_json::json;

use super::world::{World, admin, caller, foreign, to_room, to_user};
use crate::chat::{ChatOptions, ExportRecord, Fate, Patience, Status, Venue, desk_of};
use crate::contract::data::user;
use crate::model::{Desk, Review, RoomId, bounds};
use crate::ports::{Entity, LetterKind};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const RUDE: &str = "you cunt";

async fn send(world: &World, who: &str, room: &str, id: &str) -> Result<Status, &'static str> {
    let sent = world.chat.send_message(&caller(who), to_room(room, id, &format!("{RUDE} {id}")), None).await;
    sent.map(|accepted| accepted.status).map_err(|refused| refused.code)
}

async fn send_direct(world: &World, from: &str, to: &str, id: &str) {
    let sent = world.chat.send_message(&caller(from), to_user(to, id, RUDE), None).await.unwrap();
    assert_eq!(sent.status, Status::Held);
}

async fn kept(world: &World, room: Option<&str>) -> Vec<Review> {
    world.truth.reviews.all(&desk_of(room).unwrap(), None, 99).await.unwrap()
}

async fn decide_all(world: &World, room: Option<&str>) {
    for review in kept(world, room).await {
        world.chat.decide(&admin("root"), &review.desk, &review.id, "remove", None).await.unwrap();
    }
}

async fn reports(world: &World, who: &str, room: &str, seq: u64) {
    let venue = Venue::Room(room.to_owned());
    world.chat.report(&caller(who), &venue, seq, Some("a lie")).await.unwrap();
}

#[tokio::test]
async fn what_was_decided_goes_with_the_audit_and_what_is_open_stays() {
    let world = World::moderated().await;
    let room = world.room("mod", "Tea").await;
    let room = room.as_str();
    send(&world, "ann", room, "1").await.unwrap();
    send_direct(&world, "ann", "bob", "1").await;
    decide_all(&world, Some(room)).await;
    decide_all(&world, None).await;
    send(&world, "ann", room, "2").await.unwrap();
    world.ticker.advance(89 * DAY);
    world.chat.repair().await.unwrap();
    assert_eq!((kept(&world, Some(room)).await.len(), kept(&world, None).await.len()), (2, 1));
    world.ticker.advance(2 * DAY);
    world.chat.repair().await.unwrap();
    assert_eq!((kept(&world, Some(room)).await.len(), kept(&world, None).await.len()), (1, 0));
}

#[tokio::test]
async fn nothing_is_kept_longer_than_messages_are() {
    let options =
        ChatOptions { anonymous: true, moderated: true, retention_days: Some(30), ..ChatOptions::default() };
    let mut world = World::with(options).await;
    world.judged_by(std::sync::Arc::clone(&World::moderated().await.truth.moderator));
    send(&world, "ann", "general", "1").await.unwrap();
    world.ticker.advance(31 * DAY);
    world.chat.repair().await.unwrap();
    assert!(kept(&world, Some("general")).await.is_empty());
}

#[tokio::test]
async fn an_erasure_takes_what_is_held_of_them_and_what_they_reported() {
    let world = World::moderated().await;
    let room = world.room("mod", "Tea").await;
    let room = room.as_str();
    for (who, id) in [("bob", "b1"), ("bob", "b2"), ("ann", "a1")] {
        world.say(who, room, id, "a word").await;
    }
    let seqs = world.seqs(room).await;
    reports(&world, "ann", room, seqs[0]).await;
    reports(&world, "eve", room, seqs[0]).await;
    reports(&world, "ann", room, seqs[1]).await;
    reports(&world, "bob", room, seqs[2]).await;
    send(&world, "ann", room, "2").await.unwrap();
    send(&world, "bob", room, "3").await.unwrap();
    send_direct(&world, "ann", "bob", "4").await;
    decide_all(&world, None).await;
    world.chat.erase(&caller("ann"), None).await.unwrap();
    for _ in 0..2 {
        world.ticker.advance(Duration::from_secs(11 * 60));
        world.chat.repair().await.unwrap();
    }
    assert_eq!(world.chat.erasure(&caller("ann"), None).await.unwrap().status, "done");
    let left = [kept(&world, Some(room)).await, kept(&world, None).await].concat();
    assert_eq!(left.len(), 2, "bob's held one, and what eve reported: {left:?}");
    assert!(!format!("{left:?}").contains("ann"), "{left:?}");
}

#[tokio::test]
async fn an_export_has_what_is_held_and_what_was_reported() {
    let world = World::moderated().await;
    let room = world.room("mod", "Tea").await;
    let room = room.as_str();
    world.say("bob", room, "b1", "a word").await;
    reports(&world, "ann", room, world.seqs(room).await[0]).await;
    send(&world, "ann", room, "1").await.unwrap();
    send_direct(&world, "ann", "bob", "2").await;
    send_direct(&world, "bob", "ann", "3").await;
    let (mut records, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = world.chat.export(&caller("ann"), None, after.as_deref()).await.unwrap();
        records.extend(page.records);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let held = records.iter().filter_map(|record| match record {
        ExportRecord::Held { message, .. } => Some(&message.sender),
        _ => None,
    });
    assert_eq!(held.collect::<Vec<_>>(), [&user("ann"), &user("ann")]);
    assert_eq!(records.iter().filter(|record| matches!(record, ExportRecord::Report { .. })).count(), 1);
}

#[tokio::test]
async fn what_a_deleted_room_held_is_among_the_rejected_letters() {
    let world = World::moderated().await;
    let room = world.room("mod", "Tea").await;
    for id in ["1", "2"] {
        send(&world, "ann", room.as_str(), id).await.unwrap();
    }
    let desk = Desk::Room(room.clone());
    let first = kept(&world, Some(room.as_str())).await.remove(0);
    world.chat.decide(&caller("mod"), &desk, &first.id, "remove", None).await.unwrap();
    world.chat.delete_room(&caller("mod"), room.as_str(), None).await.unwrap();
    assert!(kept(&world, Some(room.as_str())).await.is_empty());
    let letters = world.letters(LetterKind::Rejected).await;
    assert_eq!(letters.len(), 1, "what was decided needs no letter: {letters:?}");
    assert_eq!(letters[0].code, "room_not_found");
    assert!(letters[0].body.contains(RUDE));
}

#[tokio::test]
async fn only_so_many_of_one_sender_wait() {
    let world = World::moderated().await;
    let room = RoomId::new("general").unwrap();
    // Texts that differ in a digit alone would be the same again.
    for letter in ('a'..='z').take(bounds::HELD_OF_A_SENDER) {
        let id = format!("{letter}z");
        assert_eq!(send(&world, "ann", "general", &id).await, Ok(Status::Held), "{id}");
    }
    assert_eq!(send(&world, "ann", "general", "more").await, Err("too_many_held"));
    assert_eq!(send(&world, "ann", "general", "az").await, Ok(Status::Held), "a repeat has its answer");
    assert_eq!(send(&world, "bob", "general", "b").await, Ok(Status::Held));
    let body = json!({"SenderID": "ann", "RoomID": room, "MessageText": RUDE, "MessageID": "bus"});
    let batch = [foreign(Entity::Topic, body.to_string())];
    let fates = world.chat.deliver(&batch, Patience::Forever).await.unwrap();
    assert_eq!(fates, [Fate::Rejected { code: "too_many_held" }]);
}

#[tokio::test]
async fn only_so_many_reports_of_one_user_wait() {
    let world = World::moderated().await;
    for n in 0..=bounds::REPORTS_OF_A_USER {
        world.say(&format!("user-{n}"), "general", "1", "a word").await;
    }
    let seqs = world.seqs("general").await;
    let (last, first) = seqs.split_last().unwrap();
    for seq in first {
        reports(&world, "eve", "general", *seq).await;
    }
    let venue = Venue::Room("general".to_owned());
    let report = async |who: &str, seq| {
        let reported = world.chat.report(&caller(who), &venue, seq, None).await;
        reported.map(drop).map_err(|refused| refused.code)
    };
    assert_eq!(report("eve", *last).await, Err("too_many_reports"));
    assert_eq!(report("eve", first[0]).await, Ok(()), "a repeat changes nothing");
    assert_eq!(report("bob", *last).await, Ok(()));
    let desk = desk_of(Some("general")).unwrap();
    let decided = kept(&world, Some("general")).await.remove(0);
    world.chat.decide(&admin("root"), &desk, &decided.id, "approve", None).await.unwrap();
    assert_eq!(report("eve", *last).await, Ok(()), "what is decided waits no more");
}

#[tokio::test]
async fn reports_keep_nothing_from_being_held() {
    let world = World::moderated().await;
    world.say("bob", "general", "1", "a word").await;
    reports(&world, "eve", "general", world.seqs("general").await[0]).await;
    let reported = kept(&world, Some("general")).await.remove(0);
    for n in 0..bounds::HELD_AT_A_DESK {
        let id = format!("reported_{}_0", n + 1_000);
        world.truth.reviews.open(&Review { id, ..reported.clone() }).await.unwrap();
    }
    assert_eq!(send(&world, "ann", "general", "1").await, Ok(Status::Held));
}
