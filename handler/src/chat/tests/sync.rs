use serde_json::{Value, json};

use super::world::*;
use crate::adapters::faulty::Mode;
use crate::chat::{Refused, SyncRequest};
use crate::model::ConversationId;

fn general() -> ConversationId {
    ConversationId::new("general").unwrap()
}

async fn ask(world: &World, who: &str, body: &Value) -> Result<Value, Refused> {
    let request = SyncRequest::from_json(body.to_string().as_bytes())?;
    let answer = world.chat.sync(&caller(who), request).await?;
    Ok(serde_json::to_value(answer).unwrap())
}

fn seqs(part: &Value) -> Vec<u64> {
    part["entries"].as_array().unwrap().iter().map(|entry| entry["seq"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn the_entries_are_the_frames_that_were_sent_live() {
    let world = World::open().await;
    world.chat.join_room(&caller("bob"), "general").await.unwrap();
    world.say("ann", "general", "m1", "one").await;
    let direct = world.accept_direct("bob", "ann", "d1", "psst").await;
    world.deliver(&[direct]).await;
    let answer = ask(&world, "ann", &json!({"cursors": {"general": 0}, "with": {"bob": 0}})).await.unwrap();
    let parts = &answer["conversations"];
    assert_eq!(parts["general"]["entries"].as_array().unwrap(), &world.heard("room_general"));
    assert_eq!(parts[pair("ann", "bob").as_str()]["entries"].as_array().unwrap(), &world.heard("user_ann"));
    assert_eq!(parts["general"]["head"], json!({"seq": 2, "number": 1}));
    assert_eq!(answer["more"], false);
    assert!(answer["jitter_ms"].as_u64().unwrap() <= 15_000);
    let again = ask(&world, "ann", &json!({"cursors": {"general": 2}})).await.unwrap();
    assert_eq!(again["conversations"]["general"], json!({"entries": [], "head": {"seq": 2, "number": 1}}));
}

#[tokio::test]
async fn what_is_refused_says_so_and_spoils_nothing() {
    let world = World::members_only().await;
    world.chat.join_room(&caller("ann"), "general").await.unwrap();
    let secret = world.private_room("bob", "Secret").await;
    let other = world.room("bob", "Other").await;
    let direct = pair("ann", "bob");
    let cursors = json!({"general": 0, secret.as_str(): 0, other.as_str(): 0, "../x": 0, direct.as_str(): 0});
    let answer = ask(&world, "ann", &json!({ "cursors": cursors })).await.unwrap();
    let parts = &answer["conversations"];
    assert_eq!(seqs(&parts["general"]), [1]);
    for (id, code) in [
        (secret.as_str(), "room_not_found"),
        (other.as_str(), "not_a_member"),
        ("../x", "invalid_id"),
        (direct.as_str(), "ask_by_user"),
    ] {
        assert_eq!(parts[id]["error"]["code"], code, "{id}");
        assert_eq!(seqs(&parts[id]), [0; 0]);
    }
    let proven = json!({"cursors": {direct.as_str(): 0}, "with": {"bob": 0}});
    let answer = ask(&world, "ann", &proven).await.unwrap();
    assert_eq!(
        answer["conversations"],
        json!({direct.as_str(): {"entries": [], "head": {"seq": 0, "number": 0}}})
    );
    world.store.set(Mode::FailAll);
    assert!(ask(&world, "ann", &proven).await.unwrap_err().is_unavailable());
}

#[tokio::test]
async fn what_retention_took_is_declared() {
    let world = World::open().await;
    for n in 0..5 {
        world.say("ann", "general", &format!("m{n}"), "x").await;
    }
    let log = &world.truth.log;
    log.trim(&general(), 2).await.unwrap();
    let answer = ask(&world, "ann", &json!({"cursors": {"general": 1}})).await.unwrap();
    let part = &answer["conversations"]["general"];
    assert_eq!((seqs(part), &part["gap"]), (vec![3, 4, 5], &json!({"from": 2, "to": 2})));
    log.trim(&general(), 5).await.unwrap();
    let answer = ask(&world, "ann", &json!({"cursors": {"general": 3}})).await.unwrap();
    let part = &answer["conversations"]["general"];
    assert_eq!(
        (seqs(part), &part["gap"], &answer["more"]),
        (vec![], &json!({"from": 4, "to": 5}), &json!(false))
    );
    let answer = ask(&world, "ann", &json!({"cursors": {"general": 9}})).await.unwrap();
    assert_eq!(
        answer["conversations"]["general"],
        json!({"entries": [], "ahead": true, "head": {"seq": 5, "number": 5}})
    );
}

#[tokio::test]
async fn pages_are_shared_out_fairly_and_lead_to_everything() {
    let world = World::open().await;
    let quiet = world.room("ann", "Quiet").await;
    for n in 0..40 {
        world.say("ann", "general", &format!("m{n}"), "x").await;
    }
    let mut cursors = json!({"general": 0, quiet.as_str(): 0});
    let mut found = Vec::new();
    for page in 0.. {
        let answer = ask(&world, "ann", &json!({"cursors": cursors, "limit": 8})).await.unwrap();
        let (general, quiet) =
            (&answer["conversations"]["general"], &answer["conversations"][quiet.as_str()]);
        assert!(page > 0 || seqs(quiet) == [1], "the busy one leaves room");
        found.extend(seqs(general));
        assert_eq!(answer["more"], general["next"].is_u64());
        let Some(next) = general["next"].as_u64() else { break };
        cursors = json!({"general": next});
    }
    assert_eq!(found, (1..=40).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_answer_is_bounded_in_bytes_and_gets_on() {
    let world = World::open().await;
    let long = "x".repeat(32_000);
    for n in 0..40 {
        world.say("ann", "general", &format!("m{n}"), &long).await;
    }
    let (mut cursor, mut pages) = (0, 0);
    loop {
        let answer = ask(&world, "ann", &json!({"cursors": {"general": cursor}})).await.unwrap();
        assert!(answer.to_string().len() < 1024 * 1024);
        pages += 1;
        match answer["conversations"]["general"]["next"].as_u64() {
            Some(next) => cursor = next,
            None => break,
        }
    }
    assert_eq!(pages, 2);
}

/// A client joins the group first and fetches then. Whatever is appended before, between and after, it has by one way or
/// the other.
#[tokio::test]
async fn subscribing_first_and_fetching_then_leaves_no_window() {
    for moment in 0..4 {
        let world = World::open().await;
        let append = async |at: usize| {
            if at == moment {
                world.say("ann", "general", &format!("m{at}"), "x").await;
            }
        };
        append(0).await;
        world.chat.join_room(&caller("bob"), "general").await.unwrap();
        let subscribed_at = world.heard("room_general").len();
        append(1).await;
        let cursors = json!({"cursors": {"general": 0}});
        let (fetched, ()) = tokio::join!(ask(&world, "bob", &cursors), append(2));
        append(3).await;
        let live = world.heard("room_general").split_off(subscribed_at);
        let fetched = fetched.unwrap();
        let fetched = fetched["conversations"]["general"]["entries"].as_array().unwrap().clone();
        let mut seqs: Vec<_> =
            fetched.iter().chain(&live).map(|entry| entry["seq"].as_u64().unwrap()).collect();
        seqs.sort_unstable();
        seqs.dedup();
        assert_eq!(seqs, [1, 2], "{moment}");
    }
}

#[tokio::test]
async fn a_cursor_beyond_every_number_is_ahead() {
    let world = World::open().await;
    world.say("ann", "general", "m1", "x").await;
    for cursor in [2, u64::MAX - 1, u64::MAX] {
        let cursors = json!({"cursors": {"general": cursor}, "with": {"bob": cursor}});
        let answer = ask(&world, "ann", &cursors).await.unwrap();
        let parts = &answer["conversations"];
        let wanted = |seq: u64| json!({"entries": [], "ahead": true, "head": {"seq": seq, "number": seq}});
        assert_eq!(parts["general"], wanted(1), "{cursor}");
        assert_eq!(parts[pair("ann", "bob").as_str()], wanted(0), "{cursor}");
        assert_eq!(answer["more"], false);
    }
}
