//! Everybody writes to the same rooms at every instance: messages, members, read marks, and the rooms themselves.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::client::Answer;
use crate::instances::{Figures, INSTANCES, Instances, entries};
use crate::senders::Flow;
use crate::world::World;

const MESSAGES: usize = 20;
const GUESTS: usize = 6;
/// The last of the guests, who leave.
const LEAVERS: usize = 2;
const CHANGES: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn logs_have_no_gap_and_no_change_is_lost() {
    let mut instances = Instances::start().await;
    let began = Instant::now();
    let flow = Arc::new(Flow::new(Duration::ZERO, MESSAGES, false));
    instances.send(&flow);
    let room = instances.rooms[0].clone();
    let coming_and_going = join_all((0..GUESTS).map(|n| comes_everywhere(&instances.worlds, &room, n)));
    let changing = join_all((0..INSTANCES).map(|at| changes(&instances.worlds[at], &room, at)));
    tokio::join!(coming_and_going, changing);
    let count = instances.are_complete().await;

    members_are_right(&instances.worlds, &room).await;
    for world in &instances.worlds {
        let seen = world.client.get(&format!("/api/rooms/{room}"), "ann").await.json;
        assert_eq!(seen["name"], format!("Name {}", CHANGES - 1), "{seen}");
        assert_eq!(seen["description"], format!("Description {}", CHANGES - 1), "{seen}");
    }
    marks_only_rise(&instances.worlds, &room).await;
    the_last_one_allowed_may_come(&instances.worlds, &room).await;

    let mut figures = Figures::default();
    for world in &instances.worlds {
        figures.add(world).await;
    }
    println!(
        "{INSTANCES} instances, {count} messages to {} rooms and {INSTANCES} people in {:?}: {figures:?}; longest answer over \
         HTTP {:?}, {} sends tried again",
        instances.rooms.len(),
        began.elapsed(),
        flow.longest(),
        flow.repeats.load(std::sync::atomic::Ordering::Relaxed),
    );
    assert!(figures.conflicts > 0, "they were never in each other's way");
    instances.end([0; INSTANCES]).await;
}

/// Joins at all instances at once; the last ones leave in the same way.
async fn comes_everywhere(worlds: &[World], room: &str, n: usize) {
    let user = format!("guest{n}");
    join_all(worlds.iter().map(|world| world.join(room, &user))).await;
    if n >= GUESTS - LEAVERS {
        let path = format!("/api/rooms/{room}/leave");
        let nothing = json!({});
        let left = worlds.iter().map(|world| world.client.post(&path, &user, &nothing));
        let left = join_all(left).await;
        assert!(left.iter().all(|answer| answer.status == 200), "{left:?}");
    }
}

/// Each instance changes another part of the room.
async fn changes(world: &World, room: &str, at: usize) {
    for n in 0..CHANGES {
        let change = match at {
            0 => json!({ "name": format!("Name {n}") }),
            1 => json!({ "description": format!("Description {n}") }),
            _ => json!({ "allowed_users": [format!("allowed-{n}")] }),
        };
        loop {
            let answer = call(world, Method::PATCH, &format!("/api/rooms/{room}"), "ann", &change).await;
            if answer.status == 200 {
                break;
            }
            assert_eq!(answer.json["code"], "room_is_busy", "{answer:?}");
        }
    }
}

async fn members_are_right(worlds: &[World], room: &str) {
    let staying: Vec<String> = (0..GUESTS - LEAVERS).map(|n| format!("guest{n}")).collect();
    for world in worlds {
        let answer = world.client.get(&format!("/api/rooms/{room}/members?limit=500"), "ann").await;
        let members = answer.json["members"].as_array().unwrap();
        let users: Vec<&str> = members.iter().map(|member| member["user"].as_str().unwrap()).collect();
        let guests: Vec<&str> = users.iter().copied().filter(|user| user.starts_with("guest")).collect();
        assert_eq!(guests, staying);
        let seen = world.client.get(&format!("/api/rooms/{room}"), "ann").await.json;
        assert_eq!(seen["member_count"], users.len(), "{seen}");
    }
    let entries = entries(&worlds[0], room).await;
    let count = |kind: &str, user: &str| {
        entries.iter().filter(|entry| entry["type"] == kind && entry["user"] == user).count()
    };
    for n in 0..GUESTS {
        let user = format!("guest{n}");
        assert_eq!(count("joined", &user), 1, "{user} came once");
        assert_eq!(count("left", &user), usize::from(n >= GUESTS - LEAVERS), "{user}");
    }
}

/// Who is allowed is shown to nobody, and counts where the room is private.
async fn the_last_one_allowed_may_come(worlds: &[World], room: &str) {
    let path = format!("/api/rooms/{room}");
    let closed = call(&worlds[0], Method::PATCH, &path, "ann", &json!({ "is_private": true })).await;
    assert_eq!(closed.status, 200, "{closed:?}");
    for world in worlds {
        let sees = async |user: &str| world.client.get(&path, user).await.status;
        // Another instance may remember for a while that it was public.
        world.until(async || sees("allowed-0").await == 404).await;
        assert_eq!(sees(&format!("allowed-{}", CHANGES - 1)).await, 200);
    }
}

/// The same reader everywhere, at different places, some of them further back.
async fn marks_only_rise(worlds: &[World], room: &str) {
    let last = entries(&worlds[0], room).await.len() as u64;
    let path = format!("/api/rooms/{room}/read");
    let raise = async |at: usize| {
        for n in (0..10).map(|n| (n * 7) % 10) {
            let seq = last - (n * INSTANCES + at) as u64;
            let answer = call(&worlds[at], Method::PUT, &path, "guest0", &json!({ "seq": seq })).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            assert!(answer.json["read_seq"].as_u64().unwrap() >= seq, "{answer:?}");
        }
    };
    join_all((0..INSTANCES).map(raise)).await;
    for world in worlds {
        let answer = world.client.get(&format!("/api/rooms/{room}/members?limit=500"), "ann").await;
        let members = answer.json["members"].as_array().unwrap();
        let reader = members.iter().find(|member| member["user"] == "guest0").unwrap();
        assert_eq!(reader["read_seq"], last, "{reader}");
    }
}

async fn call(world: &World, method: Method, path: &str, user: &str, body: &Value) -> Answer {
    world.client.call(method, path, &[("x-user-id", user)], &body.to_string()).await
}
