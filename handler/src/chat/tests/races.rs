//! Joining, leaving and ending a room at once, in many orders.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use super::world::*;
use crate::adapters::faulty::Mode;
use crate::chat::Kind;
use crate::contract::data::{conversation, room_id, user};
use crate::model::{Change, Member, Role, RoomId};

const ORDERS: u64 = 60;

/// Others go first by chance, another one for each seed.
fn jumble(world: &World, seed: u64) {
    for (faults, seed) in [(&world.store, seed), (&world.live, seed + 1_000)] {
        faults.set(Mode::Random { seed, percent_before: 0, percent_after: 0 });
    }
}

fn calm(world: &World) {
    world.store.set(Mode::Quiet);
    world.live.set(Mode::Quiet);
}

async fn changes(world: &World, room: &str) -> Vec<Change> {
    let page = world.truth.log.entries(&conversation(room), 0, 10_000).await.unwrap().unwrap();
    page.entries.into_iter().map(|entry| entry.change).collect()
}

async fn row(world: &World, room: &RoomId, who: &str) -> Option<Member> {
    world.truth.members.get(room, &user(who)).await.unwrap()
}

/// Who is in the room as the log tells it. A room ends with nobody in it.
async fn told_inside(world: &World, room: &str) -> BTreeSet<String> {
    let mut inside = BTreeSet::new();
    for change in changes(world, room).await {
        match change {
            Change::Joined { user, .. } => assert!(inside.insert(user.to_string()), "{user} joins twice"),
            Change::Left { user, .. } => assert!(inside.remove(user.as_str()), "{user} was not there"),
            Change::RoomDeleted { .. } => assert_eq!(inside, BTreeSet::new(), "a room ends"),
            _ => {}
        }
    }
    inside
}

#[tokio::test(start_paused = true)]
async fn who_joins_while_the_last_one_leaves_is_in_a_room_that_is_there() {
    for seed in 0..ORDERS {
        let world = World::with_rooms_on_join().await;
        let chat = &world.chat;
        for n in 0..3 {
            chat.join_room(&caller(&format!("old-{n}")), "lobby").await.unwrap();
        }
        jumble(&world, seed);
        let leave = join_all(
            (0..3).map(async |n| chat.leave_room(&caller(&format!("old-{n}")), "lobby").await.map(drop)),
        );
        let join = join_all(
            (0..3).map(async |n| chat.join_room(&caller(&format!("new-{n}")), "lobby").await.map(drop)),
        );
        let (left, joined) = tokio::join!(leave, join);
        calm(&world);
        assert!(left.iter().chain(&joined).all(Result::is_ok), "seed {seed}: {left:?} {joined:?}");
        let room = world.truth.rooms.get(&room_id("lobby")).await.unwrap();
        assert!(room.is_some(), "seed {seed}: the room is there");
        let expected: BTreeSet<_> = (0..3).map(|n| format!("new-{n}")).collect();
        let rows = world.truth.members.list(&room_id("lobby"), None, 99).await.unwrap();
        assert_eq!(
            rows.iter().map(|row| row.user.to_string()).collect::<BTreeSet<_>>(),
            expected,
            "seed {seed}"
        );
        assert_eq!(told_inside(&world, "lobby").await, expected, "seed {seed}");
        for n in 0..3 {
            assert!(world.is_live_in(&format!("new-{n}"), "room_lobby"), "seed {seed}");
            assert!(!world.is_live_in(&format!("old-{n}"), "room_lobby"), "seed {seed}");
        }
        // The last of them ends it.
        for n in 0..3 {
            chat.leave_room(&caller(&format!("new-{n}")), "lobby").await.unwrap();
        }
        assert!(world.truth.rooms.get(&room_id("lobby")).await.unwrap().is_none(), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn people_who_come_and_go_at_once_leave_nothing_behind() {
    for seed in 0..ORDERS {
        let world = World::with_rooms_on_join().await;
        let chat = &world.chat;
        jumble(&world, seed);
        join_all((0..4).map(async |n| {
            let who = caller(&format!("user-{n}"));
            for _ in 0..4 {
                chat.join_room(&who, "lobby").await.unwrap();
                chat.leave_room(&who, "lobby").await.unwrap();
            }
        }))
        .await;
        calm(&world);
        assert!(world.truth.rooms.get(&room_id("lobby")).await.unwrap().is_none(), "seed {seed}");
        assert_eq!(world.truth.members.count(&room_id("lobby")).await.unwrap(), 0, "seed {seed}");
        assert!(world.head(&conversation("lobby")).await.closed, "seed {seed}");
        assert_eq!(told_inside(&world, "lobby").await, BTreeSet::new(), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_that_a_crash_left_is_finished_by_who_joins() {
    for seed in 0..ORDERS {
        let mut world = World::with_rooms_on_join().await;
        world.chat.join_room(&caller("ann"), "lobby").await.unwrap();
        world.store.set(Mode::Random { seed, percent_before: 15, percent_after: 15 });
        let _ = world.chat.leave_room(&caller("ann"), "lobby").await;
        calm(&world);
        world.restart();
        world.chat.join_room(&caller("bob"), "lobby").await.unwrap();
        assert!(row(&world, &room_id("lobby"), "bob").await.is_some(), "seed {seed}");
        assert!(!world.head(&conversation("lobby")).await.closed, "seed {seed}");
        assert!(world.chat.get_room(&caller("bob"), "lobby").await.is_ok(), "seed {seed}");
        world.say("bob", "lobby", "m1", "hi").await;
        assert_eq!(world.letters(crate::ports::LetterKind::Rejected).await.len(), 0, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_live_in_a_room_is_a_member_whatever_comes_at_once() {
    for seed in 0..ORDERS {
        let world = World::open().await;
        let tea = world.room("ann", "Tea").await;
        let (chat, id) = (&world.chat, tea.as_str());
        if seed % 2 == 0 {
            chat.join_room(&caller("bob"), id).await.unwrap();
        }
        jumble(&world, seed);
        let join = async || chat.join_room(&caller("bob"), id).await.map(drop);
        let leave = async || chat.leave_room(&caller("bob"), id).await.map(drop);
        let add = async || chat.add_member(&caller("ann"), id, "bob", Role::Member).await.map(drop);
        let remove = async || chat.remove_member(&caller("ann"), id, "bob", None).await;
        match seed % 3 {
            0 => drop(tokio::join!(join(), remove())),
            1 => drop(tokio::join!(join(), leave(), add())),
            _ => drop(tokio::join!(leave(), remove(), join())),
        }
        calm(&world);
        let is_member = row(&world, &tea, "bob").await.is_some();
        assert_eq!(world.is_live_in("bob", &format!("room_{tea}")), is_member, "seed {seed}");
        assert_eq!(told_inside(&world, id).await.contains("bob"), is_member, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_in_a_deleted_room_who_joined_meanwhile() {
    for seed in 0..ORDERS {
        let world = World::open().await;
        let tea = world.room("ann", "Tea").await;
        let (chat, id) = (&world.chat, tea.as_str());
        jumble(&world, seed);
        let (ann, guests) = (caller("ann"), ["bob", "cid", "dan"].map(caller));
        let joins = join_all(guests.iter().map(|guest| chat.join_room(guest, id)));
        let (joined, deleted) = tokio::join!(joins, chat.delete_room(&ann, id, None));
        calm(&world);
        assert!(deleted.is_ok(), "seed {seed}");
        for refused in joined.into_iter().filter_map(Result::err) {
            assert_eq!(refused.kind, Kind::NotFound, "seed {seed}");
        }
        assert_eq!(world.truth.members.count(&tea).await.unwrap(), 0, "seed {seed}");
        assert!(world.truth.rooms.get(&tea).await.unwrap().is_none(), "seed {seed}");
        assert_eq!(chat.join_room(&caller("eve"), id).await.unwrap_err().kind, Kind::NotFound);
    }
}
