//! Commands that take effect while their answer is lost: others are told all the same.

use std::time::Duration;

use serde_json::{Value, json};

use super::world::*;
use crate::adapters::faulty::Mode;
use crate::chat::{Caller, Venue};
use crate::contract::data::{conversation, new, react};

fn general() -> Venue {
    Venue::Room("general".to_owned())
}

fn admin() -> Caller {
    Caller { is_admin: true, ..caller("root") }
}

/// Every command about a message, by a number.
async fn acts(world: &World, command: usize, seq: u64) -> Result<(), &'static str> {
    let ann = caller("ann");
    let outcome = match command {
        0 => world.chat.edit_message(&ann, &general(), seq, "later".to_owned(), None).await.map(drop),
        1 => world.chat.react(&ann, &general(), seq, "👍", true).await.map(drop),
        2 => world.chat.pin(&admin(), "general", seq, true).await.map(drop),
        _ => world.chat.delete_message(&ann, &general(), seq, None).await.map(drop),
    };
    outcome.map_err(|refused| refused.code)
}

/// A world where a command took effect and its answer was lost, so that nobody was told.
async fn answer_lost(command: usize) -> (World, u64) {
    let world = World::open().await;
    world.say("ann", "general", "1", "first").await;
    let seq = world.seqs("general").await[0];
    world.store.set(Mode::FailCallsAfterEffect("log.append"));
    assert_eq!(acts(&world, command, seq).await, Err("store_unavailable"));
    world.store.set(Mode::Quiet);
    (world, seq)
}

fn told_last(world: &World) -> Value {
    world.heard("room_general").pop().unwrap()["seq"].clone()
}

#[tokio::test(start_paused = true)]
async fn a_repeat_tells_what_the_first_could_not_tell() {
    for command in 0..4 {
        let (mut world, seq) = answer_lost(command).await;
        let head = world.head(&conversation("general")).await.seq;
        assert_ne!(told_last(&world), json!(head), "command {command}");
        // Whoever doubted it is gone.
        world.restart();
        acts(&world, command, seq).await.unwrap();
        assert_eq!(told_last(&world), json!(head), "command {command}");
        let told = world.heard("room_general").len();
        acts(&world, command, seq).await.unwrap();
        assert_eq!(world.heard("room_general").len(), told, "once is enough");
    }
}

#[tokio::test(start_paused = true)]
async fn what_took_effect_unseen_is_told_without_a_repeat() {
    for command in 0..4 {
        let (world, _) = answer_lost(command).await;
        let head = world.head(&conversation("general")).await.seq;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(told_last(&world), json!(head), "command {command}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_append_that_takes_effect_late_is_told() {
    let world = World::open().await;
    world.say("ann", "general", "1", "first").await;
    world.store.set(Mode::FailCalls("log.append"));
    let seq = world.seqs("general").await[0];
    assert_eq!(acts(&world, 1, seq).await, Err("store_unavailable"));
    tokio::time::sleep(Duration::from_secs(20)).await;
    let late = vec![new(react(seq, "ann", "👍", true))];
    world.truth.log.append(&conversation("general"), late).await.unwrap();
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(told_last(&world), json!(world.head(&conversation("general")).await.seq));
    let looks = world.store.calls("log.head");
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(world.store.calls("log.head"), looks, "nobody looks for ever");
}
