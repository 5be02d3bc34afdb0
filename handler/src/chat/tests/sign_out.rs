//! Signing out everywhere.

use std::sync::Arc;
use std::time::Duration;

use super::world::*;
use crate::adapters::faulty::{Faults, Mode};
use crate::contract::data::user;

/// Opens a connection with a token of that second, and confirms it.
async fn connects(world: &World, who: &str, connection: &str, issued_at: u64) -> Result<(), &'static str> {
    let welcome = world.chat.connecting_with(&user(who), connection, Some(issued_at)).await;
    let welcome = welcome.map_err(|refused| refused.code)?;
    world.wire.welcomes(connection, &welcome);
    world.chat.connected(&user(who), connection).await.map_err(|refused| refused.code)
}

fn is_open(world: &World, who: &str, connection: &str) -> bool {
    world.wire.is_in(connection, &format!("user_{who}"))
}

#[tokio::test(start_paused = true)]
async fn all_connections_end_and_older_tokens_open_no_new_one() {
    let world = World::open().await;
    let now = START / 1_000;
    for connection in ["c1", "c2"] {
        connects(&world, "ann", connection, now).await.unwrap();
    }
    connects(&world, "bob", "c3", now).await.unwrap();
    world.ticker.advance(Duration::from_millis(300));
    let out = world.chat.sign_out(&caller("ann"), &user("ann")).await.unwrap();
    assert_eq!(out.signed_out_at.millis(), START + 300);
    assert!(!is_open(&world, "ann", "c1") && !is_open(&world, "ann", "c2"));
    assert!(is_open(&world, "bob", "c3"));
    for issued_at in [0, now - 1, now] {
        assert_eq!(connects(&world, "ann", "c4", issued_at).await, Err("unauthenticated"), "{issued_at}");
    }
    assert!(!is_open(&world, "ann", "c4"));
    assert_eq!(
        world.truth.leases.of(&user("ann")).await.unwrap().iter().filter(|l| l.connection == "c4").count(),
        0
    );
    world.ticker.advance(Duration::from_secs(1));
    connects(&world, "ann", "c5", now + 1).await.unwrap();
    connects(&world, "bob", "c6", now).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_was_about_to_connect_is_closed_when_confirmed() {
    let world = World::open().await;
    let now = START / 1_000;
    let welcome = world.chat.connecting_with(&user("ann"), "c1", Some(now)).await.unwrap();
    world.ticker.advance(Duration::from_millis(10));
    world.chat.sign_out(&caller("ann"), &user("ann")).await.unwrap();
    // The transport could not see it yet.
    world.wire.welcomes("c1", &welcome);
    let refused = world.chat.connected(&user("ann"), "c1").await.unwrap_err();
    assert_eq!(refused.code, "unauthenticated");
    assert!(!is_open(&world, "ann", "c1"));
}

#[tokio::test(start_paused = true)]
async fn only_admins_sign_others_out_and_other_processes_know() {
    let world = World::open().await;
    let now = START / 1_000;
    connects(&world, "ann", "c1", now).await.unwrap();
    let refused = world.chat.sign_out(&caller("bob"), &user("ann")).await.unwrap_err();
    assert_eq!(refused.code, "admins_only");
    assert!(is_open(&world, "ann", "c1"));
    let elsewhere = Arc::new(world.another_process(&Faults::default()));
    elsewhere.sign_out(&admin("root"), &user("ann")).await.unwrap();
    assert!(!is_open(&world, "ann", "c1"));
    assert_eq!(connects(&world, "ann", "c2", now).await, Err("unauthenticated"));
}

#[tokio::test(start_paused = true)]
async fn while_the_transport_is_away_a_sign_out_is_repeated() {
    let world = World::open().await;
    let now = START / 1_000;
    connects(&world, "ann", "c1", now).await.unwrap();
    world.live.set(Mode::FailAll);
    let refused = world.chat.sign_out(&caller("ann"), &user("ann")).await.unwrap_err();
    assert!(refused.is_unavailable(), "{refused:?}");
    world.live.set(Mode::Quiet);
    assert_eq!(connects(&world, "ann", "c2", now).await, Err("unauthenticated"), "the mark stands");
    world.chat.sign_out(&caller("ann"), &user("ann")).await.unwrap();
    assert!(!is_open(&world, "ann", "c1"));
}

#[tokio::test(start_paused = true)]
async fn tokens_from_before_an_erasure_open_no_connection() {
    let world = World::open().await;
    let now = START / 1_000;
    world.chat.set_profile(&caller("ann"), Some("Ann"), None).await.unwrap();
    world.ticker.advance(Duration::from_millis(300));
    world.chat.erase(&caller("ann"), None).await.unwrap();
    assert_eq!(connects(&world, "ann", "c1", now).await, Err("unauthenticated"));
    for _ in 0..2 {
        world.ticker.advance(Duration::from_secs(11 * 60));
        world.chat.repair().await.unwrap();
    }
    assert_eq!(world.chat.erasure(&caller("ann"), None).await.unwrap().status, "done");
    assert_eq!(connects(&world, "ann", "c1", now).await, Err("unauthenticated"));
    let kept = world.truth.profiles.get(&[user("ann")]).await.unwrap().remove(0);
    assert_eq!((kept.display_name, kept.last_seen), (None, None));
    connects(&world, "ann", "c2", now + 60).await.unwrap();
}
