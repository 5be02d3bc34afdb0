use serde_json::{Value, json};

use super::world::*;
use crate::adapters::faulty::Mode;
use crate::chat::{Refused, SyncRequest};

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
