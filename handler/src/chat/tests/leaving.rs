//! Leaving and being removed, whatever fails and whoever hangs up, and what comes at the same time.

use std::time::Duration;

use super::world::*;
use crate::adapters::faulty::Mode;
use crate::contract::data::user;
use crate::model::{Change, Member, Role, RoomId, Sanction, SanctionKind, Timestamp};

/// Ann's private room with bob in it, who has a connection.
async fn tea(world: &World) -> RoomId {
    let tea = world.private_room("ann", "Tea").await;
    world.chat.add_member(&caller("ann"), tea.as_str(), "bob", Role::Member).await.unwrap();
    let welcome = world.chat.connecting(&user("bob"), "c1").await.unwrap();
    world.wire.opens("c1", &welcome.groups);
    world.chat.connected(&user("bob"), "c1").await.unwrap();
    assert!(hears(world, &tea));
    tea
}

fn hears(world: &World, room: &RoomId) -> bool {
    world.wire.is_in("c1", &format!("room_{room}"))
}

async fn row(world: &World, room: &RoomId) -> Option<Member> {
    world.truth.members.get(room, &user("bob")).await.unwrap()
}

async fn under_way(world: &World) -> usize {
    world.truth.sanctions.unapplied(None, 9).await.unwrap().len()
}

/// Bob's comings and goings as the log has them.
async fn told(world: &World, room: &RoomId) -> Vec<&'static str> {
    let page = world.truth.log.entries(&room.conversation(), 0, 1_000).await.unwrap().unwrap();
    let told = page.entries.into_iter().filter_map(|entry| match entry.change {
        Change::Joined { user: who, .. } if who == user("bob") => Some("joined"),
        Change::Left { user: who, .. } if who == user("bob") => Some("left"),
        _ => None,
    });
    told.collect()
}

#[tokio::test]
async fn leaving_a_private_room_is_finished_by_its_repeat_or_by_the_repair() {
    for by_repeat in [true, false] {
        let mut world = World::open().await;
        let tea = tea(&world).await;
        world.live.set(Mode::FailAll);
        let refused = world.chat.leave_room(&caller("bob"), tea.as_str()).await.unwrap_err();
        assert_eq!(refused.code, "transport_unavailable");
        assert!(row(&world, &tea).await.is_none() && hears(&world, &tea), "half done");
        world.live.set(Mode::Quiet);
        world.restart();
        if by_repeat {
            let left = world.chat.leave_room(&caller("bob"), tea.as_str()).await.unwrap();
            assert_eq!((left.id, left.member_count), (tea.clone(), 1));
        } else {
            world.chat.repair().await.unwrap();
        }
        assert!(!hears(&world, &tea));
        assert_eq!((under_way(&world).await, told(&world, &tea).await), (0, vec!["joined", "left"]));
        assert!(world.heard("user_bob").is_empty(), "nobody removed them");
        let over = world.chat.leave_room(&caller("bob"), tea.as_str()).await.unwrap_err();
        assert_eq!(over.code, "room_not_found", "it is hidden from who is not in it");
    }
}

#[tokio::test]
async fn who_hears_a_private_room_and_is_not_in_it_is_taken_out_by_leaving() {
    let world = World::open().await;
    let tea = tea(&world).await;
    let member = row(&world, &tea).await.unwrap();
    world.truth.members.remove(&tea, &member).await.unwrap();
    assert_eq!(world.chat.leave_room(&caller("bob"), tea.as_str()).await.unwrap_err().code, "room_not_found");
    assert!(!hears(&world, &tea));
}

#[derive(Clone, Copy, Debug)]
enum Deed {
    Leave,
    Remove,
}

/// The caller hangs up so many polls after asking.
async fn hang_up(world: &World, room: &RoomId, deed: Deed, polls: usize) {
    let (chat, room) = (std::sync::Arc::clone(&world.chat), room.clone());
    let asked = tokio::spawn(async move {
        match deed {
            Deed::Leave => chat.leave_room(&caller("bob"), room.as_str()).await.map(drop),
            Deed::Remove => chat.remove_member(&caller("ann"), room.as_str(), "bob", None).await,
        }
    });
    for _ in 0..polls {
        tokio::task::yield_now().await;
    }
    asked.abort();
    let _ = asked.await;
    // What goes on by itself comes to its end.
    tokio::time::sleep(Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_hangs_up_leaves_nothing_that_the_repair_does_not_finish() {
    for polls in 0..40 {
        for deed in [Deed::Leave, Deed::Remove] {
            let world = World::open().await;
            let tea = tea(&world).await;
            hang_up(&world, &tea, deed, polls).await;
            world.chat.repair().await.unwrap();
            let is_in = row(&world, &tea).await.is_some();
            assert_eq!(hears(&world, &tea), is_in, "{deed:?} {polls}");
            let expected = if is_in { vec!["joined"] } else { vec!["joined", "left"] };
            assert_eq!(told(&world, &tea).await, expected, "{deed:?} {polls}");
            assert_eq!(under_way(&world).await, 0, "{deed:?} {polls}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_hangs_up_while_joining_does_not_outstay_a_ban() {
    for millis in 0..15 {
        let world = World::open().await;
        let tea = tea(&world).await;
        world.chat.leave_room(&caller("bob"), tea.as_str()).await.unwrap();
        world.chat.invite_user(&caller("ann"), tea.as_str(), "bob").await.unwrap();
        // The row goes while the connections are on their way in.
        world.live.set(Mode::Delay(Duration::from_millis(5)));
        let before = world.live.calls("transport.admit");
        let (chat, room) = (std::sync::Arc::clone(&world.chat), tea.clone());
        let asked =
            tokio::spawn(async move { chat.join_room(&caller("bob"), room.as_str()).await.map(drop) });
        while world.live.calls("transport.admit") == before {
            tokio::time::sleep(Duration::from_micros(100)).await;
        }
        let member = row(&world, &tea).await.unwrap();
        world.truth.members.remove(&tea, &member).await.unwrap();
        tokio::time::sleep(Duration::from_millis(millis)).await;
        asked.abort();
        let _ = asked.await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!hears(&world, &tea), "{millis} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn a_membership_ended_while_it_begins_is_refused() {
    let world = World::open().await;
    let room = world.room("ann", "Open").await;
    world.live.set(Mode::Delay(Duration::from_millis(20)));
    let before = world.live.calls("transport.admit");
    let bob = caller("bob");
    let (joined, ()) = tokio::join!(world.chat.join_room(&bob, room.as_str()), async {
        while world.live.calls("transport.admit") == before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let member = row(&world, &room).await.unwrap();
        world.truth.members.remove(&room, &member).await.unwrap();
    });
    assert_eq!(joined.unwrap_err().code, "not_a_member");
    assert!(!world.is_live_in("bob", &format!("room_{room}")));
}

/// A removal as a process leaves it that dies at once, whose clock is another.
async fn removal_of(world: &World, room: &RoomId, member: &Member, at: u64) -> Sanction {
    let removal = Sanction {
        user: member.user.clone(),
        kind: SanctionKind::Removal,
        by: user("ann"),
        at: Timestamp::from_millis(at),
        until: None,
        reason: None,
        ends: member.joined_seq,
        applied: false,
    };
    world.truth.sanctions.put(room, &removal).await.unwrap();
    removal
}

#[tokio::test]
async fn a_removal_ends_its_own_membership_whatever_the_clocks_say() {
    let world = World::open().await;
    let tea = tea(&world).await;
    let first = row(&world, &tea).await.unwrap();
    removal_of(&world, &tea, &first, START - 60_000).await;
    world.chat.repair().await.unwrap();
    assert!(row(&world, &tea).await.is_none() && !hears(&world, &tea), "by a clock that is behind");
    removal_of(&world, &tea, &first, START + 60_000).await;
    world.chat.add_member(&caller("ann"), tea.as_str(), "bob", Role::Member).await.unwrap();
    world.chat.repair().await.unwrap();
    assert!(row(&world, &tea).await.is_some() && hears(&world, &tea), "who is back stays");
    assert_eq!(told(&world, &tea).await, ["joined", "left", "joined"]);
    assert_eq!(under_way(&world).await, 0);
}

#[tokio::test]
async fn a_private_rooms_log_is_not_for_those_who_open_its_id_anew() {
    use crate::chat::RoomEdit;
    for still_private in [true, false] {
        let world = World::with_rooms_on_join().await;
        world.chat.join_room(&caller("ann"), "board").await.unwrap();
        for is_private in [true, still_private] {
            let edit = RoomEdit { is_private: Some(is_private), ..RoomEdit::default() };
            world.chat.change_room(&caller("ann"), "board", &edit).await.unwrap();
            world.say("ann", "board", &format!("m-{is_private}"), "hush").await;
        }
        world.chat.leave_room(&caller("ann"), "board").await.unwrap();
        world.chat.join_room(&caller("eve"), "board").await.unwrap();
        assert_eq!(world.history("eve", "board").await["messages"], serde_json::json!([]));
        world.say("eve", "board", "m9", "hello").await;
        assert_eq!(world.history("eve", "board").await["messages"][0]["content"], "hello");
    }
}
