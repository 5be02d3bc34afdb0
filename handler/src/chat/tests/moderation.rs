use std::time::Duration;

use super::world::*;
use crate::chat::{NewSanction, PageRequest};
use crate::contract::data::user;
use crate::model::{RoomId, SanctionKind};
use crate::ports::LetterKind;

fn against(who: &str, duration_secs: Option<u64>) -> NewSanction {
    NewSanction { user: who.to_owned(), duration_secs, reason: None }
}

/// A connection as the transport has it once `connect` was answered.
async fn open(world: &World, who: &str, connection: &str) {
    let welcome = world.chat.connecting(&user(who), connection).await.unwrap();
    world.wire.opens(connection, &welcome.groups);
}

async fn tea(world: &World) -> RoomId {
    let room = world.room("ann", "Tea").await;
    world.chat.join_room(&caller("bob"), room.as_str()).await.unwrap();
    room
}

#[tokio::test]
async fn a_ban_ends_membership_and_everything_that_came_with_it() {
    let world = World::open().await;
    let room = tea(&world).await;
    let id = room.as_str();
    open(&world, "bob", "c1").await;
    world.chat.connected(&user("bob"), "c1").await.unwrap();
    let waiting = world.accept("bob", id, "m1", "before").await;
    world.chat.sanction(&caller("ann"), id, SanctionKind::Ban, against("bob", None)).await.unwrap();
    assert!(!world.wire.is_in("c1", &format!("room_{id}")));
    assert!(world.truth.members.get(&room, &user("bob")).await.unwrap().is_none());
    assert!(world.truth.sanctions.unapplied(None, 9).await.unwrap().is_empty());
    world.deliver(&[waiting]).await;
    assert_eq!(world.letters(LetterKind::Rejected).await[0].code, "banned");
    let bob = caller("bob");
    assert_eq!(world.chat.join_room(&bob, id).await.unwrap_err().code, "banned");
    assert_eq!(world.chat.send_message(&bob, to_room(id, "m2", "x"), None).await.unwrap_err().code, "banned");
    let read = world.chat.room_history(&bob, id, PageRequest::default()).await;
    assert_eq!(read.unwrap_err().code, "banned");
    assert!(world.chat.lift(&caller("ann"), id, SanctionKind::Ban, "bob").await.unwrap());
    world.chat.join_room(&bob, id).await.unwrap();
}

#[tokio::test]
async fn a_mute_ends_by_itself_and_a_repeat_tells_once() {
    let world = World::open().await;
    let room = tea(&world).await;
    let (id, bob) = (room.as_str(), caller("bob"));
    for _ in 0..2 {
        let mute = against("bob", Some(60));
        world.chat.sanction(&caller("ann"), id, SanctionKind::Mute, mute).await.unwrap();
    }
    let told = world.heard(&format!("room_{id}")).into_iter().filter(|frame| frame["type"] == "sanctioned");
    assert_eq!(told.count(), 1);
    let refused = world.chat.send_message(&bob, to_room(id, "m1", "x"), None).await.unwrap_err();
    assert_eq!(refused.code, "muted");
    assert!(refused.message.contains("until 20"), "{}", refused.message);
    assert!(world.chat.room_history(&bob, id, PageRequest::default()).await.is_ok());
    world.ticker.advance(Duration::from_secs(60));
    world.chat.send_message(&bob, to_room(id, "m1", "x"), None).await.unwrap();
}

#[tokio::test]
async fn nobody_sanctions_the_creator_or_an_admin_or_without_the_right() {
    let world = World::open().await;
    let room = tea(&world).await;
    let ban = async |by: &str, whom: &str| {
        let by = caller(by);
        let outcome = world.chat.sanction(&by, room.as_str(), SanctionKind::Ban, against(whom, None));
        outcome.await.unwrap_err().code
    };
    assert_eq!(ban("bob", "ann").await, "not_permitted");
    assert_eq!(ban("ann", "ann").await, "not_yourself");
    assert_eq!(ban("eve", "bob").await, "not_a_member");
}

#[tokio::test]
async fn a_connection_under_way_does_not_slip_past_a_ban() {
    let world = World::open().await;
    let room = tea(&world).await;
    let group = format!("room_{room}");
    // `connect` has read the memberships; the transport knows the connection only after the ban.
    let welcome = world.chat.connecting(&user("bob"), "c1").await.unwrap();
    let ban = against("bob", None);
    world.chat.sanction(&caller("ann"), room.as_str(), SanctionKind::Ban, ban).await.unwrap();
    world.wire.opens("c1", &welcome.groups);
    assert!(world.wire.is_in("c1", &group), "what connect said stands until connected");
    world.chat.connected(&user("bob"), "c1").await.unwrap();
    assert!(!world.wire.is_in("c1", &group));
}

#[tokio::test]
async fn the_repair_ends_what_nobody_told_of() {
    let world = World::open().await;
    for (who, connection) in [("bob", "c1"), ("cat", "c2")] {
        open(&world, who, connection).await;
        world.chat.connected(&user(who), connection).await.unwrap();
    }
    world.chat.connecting(&user("dan"), "c3").await.unwrap();
    world.wire.vanishes("c1");
    world.ticker.advance(Duration::from_secs(20));
    world.chat.repair().await.unwrap();
    let online = world.truth.leases.online(&[user("bob"), user("cat")]).await.unwrap();
    assert_eq!(online, [false, true]);
    let bob = world.truth.profiles.get(&[user("bob")]).await.unwrap();
    assert!(bob[0].last_seen.is_some());
    assert_eq!(world.truth.leases.of(&user("dan")).await.unwrap().len(), 1, "may still be connecting");
    world.ticker.advance(Duration::from_secs(20));
    world.chat.repair().await.unwrap();
    assert!(world.truth.leases.of(&user("dan")).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_repair_finishes_a_ban_that_a_failure_left() {
    let world = World::open().await;
    let room = tea(&world).await;
    open(&world, "bob", "c1").await;
    world.chat.connected(&user("bob"), "c1").await.unwrap();
    world.live.set(crate::adapters::faulty::Mode::FailAll);
    let ann = caller("ann");
    let ban = world.chat.sanction(&ann, room.as_str(), SanctionKind::Ban, against("bob", None));
    assert_eq!(ban.await.unwrap_err().code, "transport_unavailable");
    assert_eq!(world.truth.sanctions.unapplied(None, 9).await.unwrap().len(), 1);
    world.live.set(crate::adapters::faulty::Mode::Quiet);
    world.chat.repair().await.unwrap();
    assert!(!world.wire.is_in("c1", &format!("room_{room}")));
    assert!(world.truth.sanctions.unapplied(None, 9).await.unwrap().is_empty());
}
