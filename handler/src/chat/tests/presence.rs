//! Who is online, and how it heals, in paused time.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::world::*;
use crate::adapters::faulty::Mode;
use crate::chat::{MemberQuery, NewSanction};
use crate::contract::data::user;
use crate::model::{RoomId, SanctionKind, Timestamp};
use crate::repairs::Repairs;

const SECOND: Duration = Duration::from_secs(1);
/// How long an answer may be wrong.
const HEALED: u64 = 60;

async fn opens(world: &World, who: &str, connection: &str) {
    let welcome = world.chat.connecting(&user(who), connection).await.unwrap();
    world.wire.opens(connection, &welcome.groups);
    world.chat.connected(&user(who), connection).await.unwrap();
}

async fn closes(world: &World, who: &str, connection: &str) {
    world.wire.vanishes(connection);
    world.chat.disconnected(&user(who), connection).await;
}

/// Both clocks go on.
async fn pass(world: &World, seconds: u64) {
    for _ in 0..seconds {
        world.ticker.advance(SECOND);
        sleep(SECOND).await;
    }
}

/// A public room with these members.
async fn tea(world: &World, members: &[&str]) -> RoomId {
    let room = world.room("ann", "Tea").await;
    for member in members {
        world.chat.join_room(&caller(member), room.as_str()).await.unwrap();
    }
    room
}

fn told(world: &World, room: &RoomId) -> Vec<Value> {
    let frames = world.heard(&format!("room_{room}"));
    frames.into_iter().filter(|frame| frame["type"] == "presence").collect()
}

async fn online(world: &World, room: &RoomId) -> Vec<String> {
    let page = world.chat.online_in(&caller("ann"), room.as_str(), None, None).await.unwrap();
    page.users.into_iter().map(String::from).collect()
}

/// Whether each is online, and whether they were ever seen.
async fn presence(world: &World, users: &[&str]) -> Vec<(bool, bool)> {
    let users: Vec<_> = users.iter().map(|&user| user.to_owned()).collect();
    let presences = world.chat.presence_of("user", &users).await.unwrap();
    presences.presence.into_iter().map(|of| (of.online, of.last_seen.is_some())).collect()
}

#[tokio::test(start_paused = true)]
async fn coming_is_told_at_once_and_going_after_a_while() {
    let world = World::open().await;
    let room = tea(&world, &["bob"]).await;
    opens(&world, "bob", "c1").await;
    sleep(SECOND / 2).await;
    let came = json!({"type": "presence", "room_id": room, "online": ["bob"], "offline": []});
    assert_eq!(told(&world, &room), std::slice::from_ref(&came));
    closes(&world, "bob", "c1").await;
    assert_eq!(online(&world, &room).await, [""; 0], "an answer is right at once");
    sleep(SECOND * 4).await;
    assert_eq!(told(&world, &room).len(), 1, "bob may come back");
    sleep(SECOND * 3).await;
    let went = json!({"type": "presence", "room_id": room, "online": [], "offline": ["bob"]});
    assert_eq!(told(&world, &room), [came, went]);
    assert_eq!(world.head(&room.conversation()).await.seq, 2, "nothing is stored");
    assert_eq!((world.chat.presence.watched(), world.chat.pulse.alive()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_reconnect_shows_nothing() {
    let world = World::open().await;
    let room = tea(&world, &["bob"]).await;
    opens(&world, "bob", "c0").await;
    for n in 0..10 {
        closes(&world, "bob", &format!("c{n}")).await;
        sleep(SECOND * 4).await;
        opens(&world, "bob", &format!("c{}", n + 1)).await;
        sleep(SECOND * 4).await;
    }
    sleep(SECOND * 20).await;
    assert_eq!(told(&world, &room).len(), 1);
    assert_eq!(world.chat.presence.watched(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_came_back_elsewhere_is_not_told_gone() {
    let world = World::open().await;
    let room = tea(&world, &["bob"]).await;
    opens(&world, "bob", "c1").await;
    closes(&world, "bob", "c1").await;
    let elsewhere = Arc::new(crate::chat::Chat::new(world.faulty.clone(), world.options));
    elsewhere.connecting(&user("bob"), "c2").await.unwrap();
    elsewhere.connected(&user("bob"), "c2").await.unwrap();
    sleep(SECOND * 20).await;
    let frames = told(&world, &room);
    assert!(frames.iter().all(|frame| frame["offline"] == json!([])), "{frames:?}");
}

#[tokio::test(start_paused = true)]
async fn several_devices_are_one_user() {
    let world = World::open().await;
    let room = tea(&world, &["bob"]).await;
    for connection in ["phone", "desk"] {
        opens(&world, "bob", connection).await;
    }
    assert_eq!(online(&world, &room).await, ["bob"]);
    closes(&world, "bob", "phone").await;
    sleep(SECOND * 20).await;
    assert_eq!((online(&world, &room).await, told(&world, &room).len()), (vec!["bob".to_owned()], 1));
    closes(&world, "bob", "desk").await;
    sleep(SECOND * 20).await;
    assert_eq!(told(&world, &room).last().unwrap()["offline"], json!(["bob"]));
    assert_eq!(online(&world, &room).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_crowd_is_told_in_one_frame_a_second_of_a_hundred_users() {
    let world = World::open().await;
    let room = tea(&world, &[]).await;
    let names: Vec<_> = (0..250).map(|n| format!("u{n:03}")).collect();
    for name in &names {
        world.chat.join_room(&caller(name), room.as_str()).await.unwrap();
    }
    for name in &names {
        opens(&world, name, name).await;
    }
    sleep(SECOND * 10).await;
    let frames = told(&world, &room);
    assert!((3..=4).contains(&frames.len()), "{}", frames.len());
    let mut came: Vec<_> =
        frames.iter().flat_map(|frame| frame["online"].as_array().unwrap().clone()).collect();
    assert!(frames.iter().all(|frame| frame["online"].as_array().unwrap().len() <= 100));
    came.sort_by_key(ToString::to_string);
    assert_eq!(came, names, "each once");
}

#[tokio::test(start_paused = true)]
async fn the_first_hundred_rooms_are_told() {
    let world = World::open().await;
    let mut rooms = Vec::new();
    for n in 0..105 {
        let room = world.room("ann", &format!("Room {n}")).await;
        world.chat.join_room(&caller("bob"), room.as_str()).await.unwrap();
        rooms.push(room);
    }
    rooms.sort();
    let hear = |kind: &str| -> Vec<_> {
        rooms.iter().filter(|room| told(&world, room).iter().any(|f| f[kind] == json!(["bob"]))).collect()
    };
    opens(&world, "bob", "c1").await;
    sleep(SECOND).await;
    assert_eq!(hear("online"), rooms.iter().take(100).collect::<Vec<_>>());
    closes(&world, "bob", "c1").await;
    sleep(SECOND * 7).await;
    assert_eq!(hear("offline"), rooms.iter().take(100).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_died_without_a_word_is_offline_within_a_minute() {
    let world = World::open().await;
    let room = tea(&world, &["bob", "cid"]).await;
    let _repairs = Repairs::start(Arc::clone(&world.chat));
    for who in ["bob", "cid"] {
        opens(&world, who, who).await;
    }
    pass(&world, 7).await;
    world.wire.vanishes("bob");
    assert_eq!(online(&world, &room).await, ["bob", "cid"], "nobody can know yet");
    pass(&world, HEALED).await;
    assert_eq!(online(&world, &room).await, ["cid"]);
    assert_eq!(presence(&world, &["bob", "cid"]).await, [(false, true), (true, true)]);
    assert_eq!(told(&world, &room).last().unwrap()["offline"], json!(["bob"]));
    let seen = world.truth.profiles.get(&[user("bob")]).await.unwrap()[0].last_seen.unwrap();
    assert!(seen.millis() > START + 7_000, "seen when it was noticed");
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_process_held_is_offline_within_a_minute() {
    let mut world = World::open().await;
    let names: Vec<_> = (0..1_200).map(|n| format!("u{n:04}")).collect();
    let mut members: Vec<_> = names.iter().take(3).map(String::as_str).collect();
    members.push("ann");
    let room = tea(&world, &members).await;
    for name in &names {
        opens(&world, name, name).await;
    }
    for name in &names {
        world.wire.vanishes(name);
    }
    world.restart();
    let _repairs = Repairs::start(Arc::clone(&world.chat));
    opens(&world, "u0001", "again").await;
    pass(&world, HEALED).await;
    assert_eq!(online(&world, &room).await, ["u0001"]);
    assert_eq!(world.truth.leases.list(None, 9).await.unwrap().len(), 1, "no lease is left of all of them");
    assert_eq!(
        presence(&world, &["u0000", "u0001", "u1199"]).await,
        [(false, true), (true, true), (false, true)]
    );
    assert_eq!(told(&world, &room).last().unwrap()["offline"], json!(["u0000", "u0002"]));
}

#[tokio::test(start_paused = true)]
async fn a_close_that_nobody_could_note_is_noted_within_a_minute() {
    let world = World::open().await;
    let room = tea(&world, &["bob"]).await;
    let _repairs = Repairs::start(Arc::clone(&world.chat));
    for connection in ["phone", "desk"] {
        opens(&world, "bob", connection).await;
    }
    pass(&world, 1).await;
    world.store.set(Mode::FailAll);
    closes(&world, "bob", "phone").await;
    closes(&world, "bob", "desk").await;
    pass(&world, 25).await;
    world.store.set(Mode::Quiet);
    assert_eq!(online(&world, &room).await, ["bob"], "the store did not hear of it");
    pass(&world, 25).await;
    assert_eq!((online(&world, &room).await, told(&world, &room).len()), (vec![], 2));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_slow_to_open_is_not_taken_for_gone() {
    let world = World::open().await;
    let room = tea(&world, &["bob"]).await;
    let welcome = world.chat.connecting(&user("bob"), "c1").await.unwrap();
    world.ticker.advance(SECOND * 10);
    world.store.set(Mode::Delay(SECOND));
    let chat = Arc::clone(&world.chat);
    let repair = tokio::spawn(async move { chat.repair().await });
    while world.store.calls("leases.list") == 0 {
        sleep(SECOND / 10).await;
    }
    // It has listed the connections, and waits for the list of leases.
    world.store.set(Mode::Quiet);
    world.wire.opens("c1", &welcome.groups);
    world.chat.connected(&user("bob"), "c1").await.unwrap();
    repair.await.unwrap().unwrap();
    assert_eq!(online(&world, &room).await, ["bob"]);
}

#[tokio::test(start_paused = true)]
async fn who_never_came_was_never_seen() {
    let world = World::open().await;
    let _repairs = Repairs::start(Arc::clone(&world.chat));
    world.chat.connecting(&user("eve"), "c1").await.unwrap();
    assert_eq!(presence(&world, &["eve"]).await, [(false, false)]);
    pass(&world, HEALED).await;
    assert!(world.truth.leases.of(&user("eve")).await.unwrap().is_empty());
    assert_eq!(presence(&world, &["eve"]).await, [(false, false)]);
}

#[tokio::test(start_paused = true)]
async fn coming_is_noted_once_however_many_devices() {
    let world = World::open().await;
    let seen =
        async || world.truth.profiles.get(&[user("bob")]).await.unwrap().pop().and_then(|of| of.last_seen);
    opens(&world, "bob", "c1").await;
    let came = seen().await;
    assert_eq!(came.map(Timestamp::millis), Some(START));
    pass(&world, 5).await;
    opens(&world, "bob", "c2").await;
    closes(&world, "bob", "c1").await;
    assert_eq!(seen().await, came, "neither came nor went");
    assert_eq!(world.store.calls("profiles.seen"), 1);
    closes(&world, "bob", "c2").await;
    assert_eq!(seen().await.map(Timestamp::millis), Some(START + 5_000));
}

#[tokio::test(start_paused = true)]
async fn a_guest_leaves_no_row_behind() {
    let world = World::open().await;
    opens(&world, "guest-01234567", "c1").await;
    opens(&world, "guest-of-ann", "c2").await;
    assert_eq!(presence(&world, &["guest-01234567"]).await, [(true, false)]);
    closes(&world, "guest-01234567", "c1").await;
    closes(&world, "guest-of-ann", "c2").await;
    let rows = world.truth.profiles.get(&[user("guest-01234567"), user("guest-of-ann")]).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.user.as_str()).collect::<Vec<_>>(), ["guest-of-ann"]);
}

#[tokio::test]
async fn who_may_read_a_room_sees_who_is_there_page_by_page() {
    let world = World::open().await;
    let room = world.private_room("ann", "Den").await;
    let names: Vec<_> = (0..1_300).map(|n| format!("u{n:04}")).collect();
    for (n, name) in names.iter().enumerate() {
        let added = world.chat.add_member(&caller("ann"), room.as_str(), name, Default::default()).await;
        added.unwrap();
        if n % 2 == 0 {
            opens(&world, name, name).await;
        }
    }
    let (mut seen, mut after) = (Vec::new(), None::<String>);
    let reads = world.store.calls("leases.online");
    loop {
        let page = world.chat.online_in(&caller("u0001"), room.as_str(), after.as_deref(), Some(200)).await;
        let page = page.unwrap();
        assert!(page.users.len() <= 200);
        seen.extend(page.users.into_iter().map(String::from));
        after = page.next.map(String::from);
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, names.iter().step_by(2).cloned().collect::<Vec<_>>());
    assert!(world.store.calls("leases.online") - reads <= 6, "a few reads, not one for each");
    let ask = async |who: &str| {
        let page = world.chat.online_in(&caller(who), room.as_str(), None, None).await;
        page.map(drop).map_err(|refused| refused.code)
    };
    assert_eq!(ask("eve").await, Err("room_not_found"));
    let ban = NewSanction { user: "u0001".to_owned(), duration_secs: None, reason: None };
    world.chat.sanction(&caller("ann"), room.as_str(), SanctionKind::Ban, ban).await.unwrap();
    assert!(ask("u0001").await.is_err());
    let world = World::members_only().await;
    let refused = world.chat.online_in(&caller("eve"), "general", None, None).await.unwrap_err();
    assert_eq!(refused.code, "not_a_member");
}

#[tokio::test]
async fn a_page_of_members_costs_the_same_few_reads_however_many_they_are() {
    let world = World::open().await;
    let room = tea(&world, &[]).await;
    for n in 0..600 {
        world.chat.join_room(&caller(&format!("u{n:03}")), room.as_str()).await.unwrap();
    }
    let reads = || ["members.list", "leases.online", "profiles.get"].map(|method| world.store.calls(method));
    for limit in [10, 500] {
        let before = reads();
        let query = MemberQuery { limit: Some(limit), ..MemberQuery::default() };
        let page = world.chat.list_members(&caller("ann"), room.as_str(), &query).await.unwrap();
        assert_eq!(page.members.len(), limit);
        assert_eq!(reads(), before.map(|calls| calls + 1));
    }
}

#[tokio::test]
async fn presence_is_asked_of_up_to_a_hundred_users() {
    let world = World::open().await;
    opens(&world, "bob", "c1").await;
    assert_eq!(presence(&world, &["bob", "eve", "bob"]).await, [(true, true), (false, false)], "each once");
    let ask = async |users: Vec<String>| {
        world.chat.presence_of("user", &users).await.map_err(|refused| (refused.code, refused.field))
    };
    let reads = world.store.calls("leases.online");
    assert_eq!(ask((0..100).map(|n| format!("u{n}")).collect()).await.unwrap().presence.len(), 100);
    assert_eq!(world.store.calls("leases.online") - reads, 1);
    assert_eq!(ask(vec!["u".to_owned(); 101]).await, Err(("too_many_users", Some("user"))));
    assert_eq!(ask(vec!["u".repeat(129)]).await, Err(("too_long", Some("user"))));
}

#[tokio::test]
async fn sockets_ask_in_the_same_words() {
    let world = World::open().await;
    let room = tea(&world, &["bob"]).await;
    opens(&world, "bob", "c1").await;
    let ask = async |frame: Value| -> Value {
        let answer = world.chat.text_frame(&socket("bob", "c1"), frame.to_string().as_bytes()).await;
        serde_json::from_slice(&answer).unwrap()
    };
    let answer = ask(json!({"action": "online", "room": room, "limit": 5})).await;
    assert_eq!(answer, json!({"type": "online", "room_id": room, "users": ["bob"]}));
    let answer = ask(json!({"action": "presence", "users": ["eve", "bob"]})).await;
    assert_eq!(answer["presence"][0], json!({"user": "eve", "online": false}));
    assert_eq!((&answer["type"], &answer["presence"][1]["online"]), (&json!("presence_of"), &json!(true)));
    for (frame, code) in [
        (json!({"action": "presence"}), "missing_field"),
        (json!({"action": "presence", "users": []}), "missing_field"),
        (json!({"action": "presence", "users": "bob"}), "wrong_type"),
        (json!({"action": "presence", "users": vec!["u"; 101]}), "too_many_users"),
    ] {
        let answer = ask(frame).await;
        assert_eq!((&answer["code"], &answer["field"]), (&json!(code), &json!("users")));
    }
    assert_eq!(ask(json!({"action": "online"})).await["field"], "room_id");
    assert_eq!(ask(json!({"action": "online", "room": room, "limit": 0})).await["code"], "invalid_limit");
}
