//! What is older than it may be, and what crashes leave of rooms.

use std::time::Duration;

use serde_json::json;

use super::world::*;
use crate::adapters::faulty::Mode;
use crate::chat::{ChatOptions, NewInvitation, RoomEdit};
use crate::contract::data::user;
use crate::model::bounds::DAY_MILLIS;
use crate::model::{
    Change, HandledEvent, Invitation, Member, ReadMark, Role, RoomId, SanctionKind, Timestamp,
};
use crate::ports::{LetterKind, NewEntry};

const DAY: Duration = Duration::from_secs(86_400);

async fn keeping(days: Option<u32>) -> World {
    World::with(ChatOptions { anonymous: true, retention_days: days, ..ChatOptions::default() }).await
}

fn keep(days: u64) -> RoomEdit {
    RoomEdit { retention_days: Some(days), ..RoomEdit::default() }
}

#[tokio::test]
async fn what_is_older_than_the_deployment_keeps_goes_everywhere() {
    let world = keeping(Some(30)).await;
    world.say("ann", "general", "1", "old").await;
    let direct = world.accept_direct("ann", "bob", "d1", "old to bob").await;
    world.deliver(&[direct]).await;
    let poison = foreign(crate::ports::Entity::Topic, "no JSON");
    world.deliver(&[poison]).await;
    world.ticker.advance(DAY * 29);
    world.chat.repair().await.unwrap();
    assert_eq!(world.history("bob", "general").await["messages"].as_array().unwrap().len(), 1);
    world.say("ann", "general", "2", "new").await;
    world.ticker.advance(DAY * 2);
    world.chat.repair().await.unwrap();
    let history = world.history("bob", "general").await;
    let messages = history["messages"].as_array().unwrap();
    assert_eq!((messages.len(), &messages[0]["number"]), (1, &json!(2)), "numbers go on");
    assert_eq!(history["gap"]["from"], 1, "what is gone is declared");
    assert!(world.contents(&pair("ann", "bob")).await.is_empty());
    assert!(world.truth.inbox.list(&user("bob"), None, None, 9).await.unwrap().is_empty());
    assert!(world.letters(LetterKind::Dead).await.is_empty());
    // Its marker is there still: a copy that comes late is no new message.
    let copy = world.accept("ann", "general", "1", "old").await;
    world.deliver(&[copy]).await;
    assert_eq!(world.history("bob", "general").await["messages"].as_array().unwrap().len(), 1);
    let head = world.head(&RoomId::new("general").unwrap().conversation()).await;
    world.chat.repair().await.unwrap();
    assert_eq!(world.head(&RoomId::new("general").unwrap().conversation()).await, head, "done is done");
}

#[tokio::test]
async fn old_events_of_connections_are_forgotten_however_many_they_are() {
    let world = keeping(None).await;
    let handled = &world.truth.handled;
    for n in 0..2_500 {
        let connection = n.to_string();
        let event = HandledEvent { connection, id: "0".into(), user: None, at: world.truth.clock.now() };
        handled.note(&event).await.unwrap();
    }
    let is_known = async |connection| handled.find(connection, "0").await.unwrap().is_some();
    world.ticker.advance(DAY * 89);
    world.chat.repair().await.unwrap();
    assert!(is_known("0").await && is_known("2499").await);
    world.ticker.advance(DAY * 2);
    world.store.set(Mode::FailCalls("handled.forget"));
    assert_eq!(world.chat.repair().await.unwrap_err().code, "store_unavailable");
    world.store.set(Mode::Quiet);
    world.chat.repair().await.unwrap();
    assert!(!is_known("0").await && !is_known("2499").await);
}

#[tokio::test]
async fn a_room_keeps_less_than_the_deployment_and_never_more() {
    for (of_all, of_room, kept_after_9, kept_after_40) in
        [(None, 7, 0, 0), (Some(30), 7, 0, 0), (Some(30), 90, 1, 0), (None, 0, 1, 1), (Some(30), 0, 1, 0)]
    {
        let world = keeping(of_all).await;
        let room = world.room("ann", "Tea").await;
        let changed = world.chat.change_room(&caller("ann"), room.as_str(), &keep(of_room)).await.unwrap();
        assert_eq!(changed.retention_days, (of_room > 0).then(|| of_room.try_into().unwrap()));
        world.say("ann", room.as_str(), "1", "hi").await;
        for (days, kept) in [(9, kept_after_9), (31, kept_after_40)] {
            world.ticker.advance(DAY * days);
            world.chat.repair().await.unwrap();
            assert_eq!(world.contents(&room.conversation()).await.len(), kept, "{of_all:?} {of_room} {days}");
        }
    }
}

#[tokio::test]
async fn only_owners_say_how_long_a_room_is_kept_and_within_bounds() {
    let world = World::open().await;
    let room = world.room("ann", "Tea").await;
    world.chat.join_room(&caller("bob"), room.as_str()).await.unwrap();
    let refused = world.chat.change_room(&caller("bob"), room.as_str(), &keep(7)).await.unwrap_err();
    assert_eq!(refused.code, "not_permitted");
    for days in [36_501, u64::MAX] {
        let refused = world.chat.change_room(&caller("ann"), room.as_str(), &keep(days)).await.unwrap_err();
        assert_eq!((refused.code, refused.field), ("invalid_field", Some("retention_days")));
    }
}

#[tokio::test]
async fn a_long_backlog_goes_in_one_lap_or_more() {
    let world = keeping(Some(1)).await;
    let room = world.room("ann", "Tea").await;
    let entry = |n: u64| NewEntry {
        marker: None,
        at: Timestamp::from_millis(START),
        change: crate::contract::data::message(&n.to_string(), "x"),
        only_behind: None,
    };
    world.truth.log.append(&room.conversation(), (0..6_000).map(entry).collect()).await.unwrap();
    world.ticker.advance(DAY * 2);
    for lap in 0..3 {
        assert_ne!(world.contents(&room.conversation()).await.len(), 0, "lap {lap} is bounded");
        world.chat.repair().await.unwrap();
        if world.contents(&room.conversation()).await.is_empty() {
            return;
        }
    }
    panic!("{} are left", world.contents(&room.conversation()).await.len());
}

#[tokio::test]
async fn a_deletion_that_broke_off_anywhere_is_finished() {
    let mut half_done = 0;
    for seed in 0..40 {
        let mut world = World::open().await;
        let room = world.room("ann", "Tea").await;
        for who in ["bob", "cid"] {
            world.chat.join_room(&caller(who), room.as_str()).await.unwrap();
        }
        let ban = crate::chat::NewSanction { user: "eve".to_owned(), ..Default::default() };
        world.chat.sanction(&caller("ann"), room.as_str(), SanctionKind::Ban, ban).await.unwrap();
        let link = NewInvitation { expires_in: None, max_uses: None, role: Role::Member };
        world.chat.create_invitation(&caller("ann"), room.as_str(), link).await.unwrap();
        world.store.set(Mode::Random { seed, percent_before: 8, percent_after: 8 });
        let deleted = world.chat.delete_room(&caller("ann"), room.as_str(), None).await;
        world.store.set(Mode::Quiet);
        world.restart();
        let is_closed = world.head(&room.conversation()).await.closed;
        if deleted.is_err() && is_closed {
            half_done += 1;
        }
        world.ticker.advance(Duration::from_secs(120));
        world.chat.repair().await.unwrap();
        assert_eq!(world.truth.rooms.get(&room).await.unwrap().is_none(), is_closed, "seed {seed}");
        let members = world.truth.members.count(&room).await.unwrap();
        let decided = world.truth.sanctions.list(&room, SanctionKind::Ban, None, 9).await.unwrap().len()
            + world.truth.invitations.list(&room, None, 9).await.unwrap().len();
        assert_eq!((members, decided), if is_closed { (0, 0) } else { (3, 2) }, "seed {seed}");
    }
    assert!(half_done >= 5, "{half_done}");
}

#[tokio::test]
async fn members_of_a_room_that_is_gone_are_taken_out_and_those_of_its_successor_stay() {
    let world = World::with_rooms_on_join().await;
    let room = RoomId::new("tea").unwrap();
    world.chat.join_room(&caller("ann"), "tea").await.unwrap();
    let orphan = Member {
        user: user("bob"),
        role: Role::Member,
        joined_at: Timestamp::from_millis(START),
        joined_seq: Some(1),
        since: 1,
        read: ReadMark::default(),
    };
    world.chat.leave_room(&caller("ann"), "tea").await.unwrap();
    world.truth.members.add(&room, &orphan).await.unwrap();
    world.ticker.advance(Duration::from_secs(120));
    world.chat.repair().await.unwrap();
    assert!(world.truth.members.get(&room, &user("bob")).await.unwrap().is_none());
    world.chat.join_room(&caller("cid"), "tea").await.unwrap();
    world.ticker.advance(Duration::from_secs(120));
    world.chat.repair().await.unwrap();
    assert!(world.truth.members.get(&room, &user("cid")).await.unwrap().is_some());
}

#[tokio::test]
async fn a_role_that_was_told_before_a_crash_reaches_its_row() {
    let world = World::open().await;
    let room = world.room("ann", "Tea").await;
    world.chat.join_room(&caller("bob"), room.as_str()).await.unwrap();
    let change = Change::RoleChanged { user: user("bob"), role: Role::Moderator, by: user("ann") };
    let told = NewEntry { marker: None, at: Timestamp::from_millis(START), change, only_behind: None };
    world.truth.log.append(&room.conversation(), vec![told]).await.unwrap();
    for _ in 0..2 {
        world.chat.repair().await.unwrap();
        let row = world.truth.members.get(&room, &user("bob")).await.unwrap().unwrap();
        assert_eq!(row.role, Role::Moderator);
    }
}

#[tokio::test]
async fn expired_links_and_sanctions_are_forgotten() {
    let world = World::open().await;
    let room = world.room("ann", "Tea").await;
    let link = |id: &str, days: u32| Invitation {
        id: id.to_owned(),
        room: room.clone(),
        by: user("ann"),
        created_at: Timestamp::from_millis(START),
        expires_at: Timestamp::from_millis(START + u64::from(days) * DAY_MILLIS),
        max_uses: 1,
        used_by: Vec::new(),
        role: Role::Member,
    };
    for link in [link("a", 1), link("b", 100)] {
        world.truth.invitations.create(&link).await.unwrap();
    }
    world.ticker.advance(DAY * 20);
    world.chat.repair().await.unwrap();
    assert_eq!(world.truth.invitations.list(&room, None, 9).await.unwrap().len(), 2, "still told as expired");
    world.ticker.advance(DAY * 20);
    world.chat.repair().await.unwrap();
    let left = world.truth.invitations.list(&room, None, 9).await.unwrap();
    assert_eq!(left.iter().map(|link| link.id.as_str()).collect::<Vec<_>>(), ["b"]);
}

#[tokio::test]
async fn one_conversation_that_fails_keeps_no_other_waiting() {
    let world = keeping(Some(1)).await;
    let rooms = [world.room("ann", "A").await, world.room("ann", "B").await];
    for room in &rooms {
        world.say("ann", room.as_str(), "1", "old").await;
    }
    world.ticker.advance(DAY * 3);
    for seed in 0..30 {
        world.store.set(Mode::Random { seed, percent_before: 20, percent_after: 10 });
        let _ = world.chat.repair().await;
    }
    world.store.set(Mode::Quiet);
    world.chat.repair().await.unwrap();
    for room in &rooms {
        assert!(world.contents(&room.conversation()).await.is_empty());
    }
}
