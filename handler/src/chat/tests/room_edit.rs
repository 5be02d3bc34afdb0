//! Changing rooms, finding them by name, and what everybody is told of their list.

use std::time::Duration;

use serde_json::json;

use super::world::*;
use crate::adapters::faulty::Mode;
use crate::chat::{NewRoom, RoomEdit};
use crate::contract::data::user;
use crate::model::RoomId;

fn named(name: &str) -> RoomEdit {
    RoomEdit { name: Some(name.to_owned()), ..RoomEdit::default() }
}

async fn change(world: &World, who: &str, room: &RoomId, edit: &RoomEdit) -> Result<String, &'static str> {
    let changed = world.chat.change_room(&caller(who), room.as_str(), edit).await;
    changed.map(|room| room.name).map_err(|refused| refused.code)
}

fn changes(world: &World, room: &RoomId) -> Vec<serde_json::Value> {
    let heard = world.heard(&format!("room_{room}"));
    heard.into_iter().filter(|frame| frame["type"] == "room_changed").collect()
}

#[tokio::test]
async fn owners_change_a_room_everyone_hears_it_and_a_repeat_is_harmless() {
    let world = World::open().await;
    let tea = world.room("ann", "Tea").await;
    world.chat.join_room(&caller("bob"), tea.as_str()).await.unwrap();
    assert_eq!(change(&world, "bob", &tea, &named("Mate")).await, Err("not_permitted"));
    assert_eq!(change(&world, "cid", &tea, &named("Mate")).await, Err("not_a_member"));
    for _ in 0..2 {
        assert_eq!(change(&world, "ann", &tea, &named(" Mate ")).await, Ok("Mate".to_owned()));
    }
    let told = changes(&world, &tea);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (&told[0]["name"], &told[0]["room_name"], &told[0]["by"]),
        (&json!("Mate"), &json!("Mate"), &json!("ann"))
    );
    let described = RoomEdit { description: Some("green".to_owned()), ..RoomEdit::default() };
    assert_eq!(change(&world, "ann", &tea, &described).await, Ok("Mate".to_owned()), "the name stays");
    assert_eq!(changes(&world, &tea).len(), 2);
    world.room("ann", "Coffee").await;
    assert_eq!(change(&world, "ann", &tea, &named("COFFEE")).await, Err("room_name_taken"));
    assert_eq!(change(&world, "ann", &tea, &named("  ")).await, Err("missing_field"));
}

#[tokio::test]
async fn a_repeat_tells_what_a_crash_kept_back() {
    let mut world = World::open().await;
    let tea = world.room("ann", "Tea").await;
    let mut lost = 0;
    for n in 0..12 {
        let name = format!("Tea {n}");
        world.store.set(Mode::Random { seed: n, percent_before: 20, percent_after: 20 });
        while change(&world, "ann", &tea, &named(&name)).await.is_err() {
            lost += 1;
            world.restart();
        }
        world.store.set(Mode::Quiet);
    }
    assert!(lost > 5, "{lost}");
    let log = world.truth.log.entries(&tea.conversation(), 0, 1_000).await.unwrap().unwrap().entries;
    let told: Vec<_> = log
        .iter()
        .filter_map(|entry| match &entry.change {
            crate::model::Change::RoomChanged { name, .. } => Some(name.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(told, (0..12).map(|n| format!("Tea {n}")).collect::<Vec<_>>(), "each once");
}

#[tokio::test]
async fn changes_at_once_all_count() {
    let world = World::open().await;
    let tea = world.private_room("ann", "Tea").await;
    let chat = &world.chat;
    let names: Vec<_> = (0..8).map(|n| format!("guest{n}")).collect();
    let ann = caller("ann");
    let all = names.iter().map(|name| chat.invite_user(&ann, tea.as_str(), name));
    futures_util::future::try_join_all(all).await.unwrap();
    let row = world.truth.rooms.get(&tea).await.unwrap().unwrap();
    assert_eq!((row.allowed_users.len(), row.revision), (8, 8));
    chat.join_room(&caller("guest3"), tea.as_str()).await.unwrap();
    assert_eq!(chat.join_room(&caller("eve"), tea.as_str()).await.unwrap_err().code, "room_not_found");
}

#[tokio::test(start_paused = true)]
async fn however_many_changes_come_at_once_none_is_refused() {
    let world = World::open().await;
    let tea = world.private_room("ann", "Tea").await;
    world.store.set(Mode::Delay(Duration::from_millis(5)));
    let names: Vec<_> = (0..50).map(|n| format!("guest{n}")).collect();
    let ann = caller("ann");
    let all = names.iter().map(|name| world.chat.invite_user(&ann, tea.as_str(), name));
    futures_util::future::try_join_all(all).await.unwrap();
    let row = world.truth.rooms.get(&tea).await.unwrap().unwrap();
    assert_eq!((row.allowed_users.len(), row.revision), (50, 50));
}

#[tokio::test]
async fn who_came_in_makes_place_for_others_to_be_invited() {
    let world = World::open().await;
    let names: Vec<_> = (0..1_000).map(|n| format!("guest{n}")).collect();
    let new =
        NewRoom { name: "Tea".into(), is_private: true, allowed_users: names.clone(), ..NewRoom::default() };
    let tea = world.chat.create_room(&caller("ann"), new, None).await.unwrap().id;
    let invite = async |who: &str| {
        let invited = world.chat.invite_user(&caller("ann"), tea.as_str(), who).await;
        invited.map(drop).map_err(|refused| (refused.code, refused.field))
    };
    assert_eq!(invite("guest7").await, Ok(()), "may already");
    assert_eq!(invite("bob").await, Err(("too_many_invited", Some("user"))));
    world.chat.join_room(&caller("guest7"), tea.as_str()).await.unwrap();
    assert_eq!(invite("bob").await, Ok(()));
    assert_eq!(invite("cid").await, Err(("too_many_invited", Some("user"))));
    world.chat.join_room(&caller("bob"), tea.as_str()).await.unwrap();
    assert!(world.chat.get_room(&caller("guest7"), tea.as_str()).await.is_ok());
}

#[tokio::test]
async fn rooms_are_found_by_name_where_one_may_see_them() {
    let world = World::open().await;
    for name in ["Tea", "teak", "Team", "Coffee"] {
        world.room("ann", name).await;
    }
    world.private_room("ann", "Tea secrets").await;
    let find = async |who: &str, prefix: &str, after: Option<&str>, limit| {
        let found = world.chat.search_rooms(&caller(who), prefix, after, limit).await.unwrap();
        (found.rooms.into_iter().map(|room| room.name).collect::<Vec<_>>(), found.next)
    };
    assert_eq!(
        find("bob", " TEA ", None, None).await,
        (vec!["Tea".into(), "teak".into(), "Team".into()], None)
    );
    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let (page, next) = find("ann", "tea", after.as_deref(), Some(1)).await;
        names.extend(page);
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(names, ["Tea", "Tea secrets", "teak", "Team"]);
    assert_eq!(find("bob", "x", None, None).await, (vec![], None));
}

#[tokio::test(start_paused = true)]
async fn the_list_is_told_at_most_once_a_second_and_at_last_as_it_is() {
    let world = World::open().await;
    let tea = world.room("ann", "Tea").await;
    world.private_room("ann", "Secret").await;
    let second = async || tokio::time::sleep(Duration::from_millis(1_200)).await;
    second().await;
    let told = world.heard("sys_rooms");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["type"], "rooms_updated");
    let names = |notice: &serde_json::Value| -> Vec<(String, u64)> {
        let rooms = notice["rooms"].as_array().unwrap();
        rooms
            .iter()
            .map(|r| (r["name"].as_str().unwrap().to_owned(), r["member_count"].as_u64().unwrap()))
            .collect()
    };
    assert_eq!(names(&told[0]), [("General".to_owned(), 0), ("Tea".to_owned(), 1)], "public rooms alone");
    second().await;
    for n in 0..30 {
        world.chat.join_room(&caller(&format!("u{n}")), tea.as_str()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    second().await;
    let told = world.heard("sys_rooms");
    assert!((4..=5).contains(&told.len()), "{}", told.len());
    assert_eq!(names(told.last().unwrap())[1].1, 31, "the last one says how it is");
    world.chat.join_room(&caller("u1"), tea.as_str()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(world.heard("sys_rooms").len(), told.len(), "nothing changed, nothing is told");
    world.live.set(Mode::FailNext(3));
    world.chat.notices.touch(&tea);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(world.heard("sys_rooms").len(), told.len() + 1, "told when it can be");
}

#[tokio::test(start_paused = true)]
async fn of_many_rooms_those_are_told_that_changed_last() {
    let world = World::open().await;
    let mut rooms = Vec::new();
    for n in 0..120 {
        rooms.push(world.room("ann", &format!("Room {n}")).await);
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.chat.join_room(&caller("bob"), rooms[5].as_str()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let told = world.heard("sys_rooms");
    let last = told.last().unwrap();
    assert_eq!((last["truncated"].as_bool(), last["rooms"].as_array().unwrap().len()), (Some(true), 100));
    assert_eq!(last["rooms"][0]["id"], rooms[5].as_str());
}

#[tokio::test]
async fn what_was_decided_in_a_room_goes_with_it() {
    let world = World::open().await;
    let tea = world.room("ann", "Tea").await;
    let ann = caller("ann");
    let new = crate::chat::NewInvitation::default();
    let issued = world.chat.create_invitation(&ann, tea.as_str(), new).await.unwrap();
    let ban = crate::model::Sanction {
        user: user("bob"),
        kind: crate::model::SanctionKind::Ban,
        by: user("ann"),
        at: world.truth.clock.now(),
        until: None,
        reason: None,
        ends: None,
        applied: true,
    };
    world.truth.sanctions.put(&tea, &ban).await.unwrap();
    assert_eq!(world.chat.join_room(&caller("bob"), tea.as_str()).await.unwrap_err().code, "banned");
    world.chat.delete_room(&ann, tea.as_str(), None).await.unwrap();
    assert!(world.truth.sanctions.of(&tea, &user("bob")).await.unwrap().is_empty());
    assert!(world.truth.invitations.list(&tea, None, 9).await.unwrap().is_empty());
    let late = world.chat.accept_invitation(&caller("cid"), &issued.token).await.unwrap_err();
    assert_eq!(late.code, "invitation_unknown");
}

#[tokio::test]
async fn joining_makes_a_room_where_that_is_wanted_and_the_last_who_leaves_ends_it() {
    let world = World::with_rooms_on_join().await;
    let made = world.chat.join_room(&caller("ann"), "lobby").await.unwrap();
    assert_eq!((made.name.as_str(), made.member_count, made.created_by), ("lobby", 1, user("ann")));
    world.chat.join_room(&caller("bob"), "lobby").await.unwrap();
    world.chat.leave_room(&caller("ann"), "lobby").await.unwrap();
    assert_eq!(world.chat.get_room(&caller("cid"), "lobby").await.unwrap().member_count, 1);
    world.chat.leave_room(&caller("bob"), "lobby").await.unwrap();
    assert_eq!(world.chat.get_room(&caller("cid"), "lobby").await.unwrap_err().code, "room_not_found");
    let again = world.chat.join_room(&caller("cid"), "lobby").await.unwrap();
    assert_eq!((again.member_count, again.created_by), (1, user("cid")));
    let taken = NewRoom { name: "Kitchen".to_owned(), ..NewRoom::default() };
    let kept = world.chat.create_room(&caller("ann"), taken, None).await.unwrap();
    let other = world.chat.join_room(&caller("bob"), "kitchen").await.unwrap();
    assert!(other.name.starts_with("kitchen-"), "{}", other.name);
    world.chat.leave_room(&caller("ann"), kept.id.as_str()).await.unwrap();
    assert!(world.chat.get_room(&caller("ann"), kept.id.as_str()).await.is_ok(), "made on purpose");
    world.chat.join_room(&caller("ann"), "general").await.unwrap();
    world.chat.leave_room(&caller("ann"), "general").await.unwrap();
    assert!(world.chat.get_room(&caller("ann"), "general").await.is_ok());
    let refused = World::open().await.chat.join_room(&caller("ann"), "lobby").await.unwrap_err();
    assert_eq!(refused.code, "room_not_found");
}
