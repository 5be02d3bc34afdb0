//! What lasts: over a killed process, and for who comes late.

use futures_util::future::join_all;
use serde_json::Value;

use crate::people::{Person, history, make_room};
use crate::product::{Product, call};

const MEMBERS: usize = 12;

fn as_json(product: &Product, path: &str) -> Value {
    let answer = product.get(path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

#[tokio::test]
async fn rooms_members_and_messages_outlive_a_killed_process() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("STORAGE_MODE", "file"), ("DATA_DIR", dir.path().to_str().unwrap())];
    let mut product = Product::alone(&settings);
    let (full, quiet) = (make_room(&product, "ann", "Full"), make_room(&product, "ann", "Quiet"));
    let members = (0..MEMBERS).map(async |n| {
        let mut member = Person::connect(&product, &format!("m-{n}")).await;
        member.joins(&full).await;
        member.says(&full, &format!("from {n}")).await["seq"].as_u64().unwrap()
    });
    let mut seqs = join_all(members).await;
    seqs.sort_unstable();
    seqs.dedup();
    assert_eq!(seqs.len(), MEMBERS, "each message has a place of its own");
    let before = history(&product, &full, "m-0");
    let room_before = as_json(&product, &format!("/api/rooms/{full}?user_id=m-0"));
    product.signal("KILL");
    product.ended();

    let product = Product::alone(&settings);
    assert_eq!(history(&product, &full, "m-0"), before);
    assert_eq!(as_json(&product, &format!("/api/rooms/{full}?user_id=m-0")), room_before);
    assert_eq!(as_json(&product, &format!("/api/rooms/{quiet}?user_id=ann"))["member_count"], 1);
    // A membership needs no join again: the connection is in the room from its start, and numbers go on.
    let mut old = Person::connect(&product, "m-1").await;
    let mut ann = Person::connect(&product, "ann").await;
    let next = ann.says(&full, "after the crash").await;
    assert_eq!(next["number"], MEMBERS as u64 + 1);
    assert!(next["seq"].as_u64() > seqs.last().copied());
    old.hears("after the crash").await;
    assert_eq!(
        old.joins(&full).await["member_count"],
        MEMBERS as u64 + 1,
        "joining again counts nobody twice"
    );
}

#[tokio::test]
async fn who_comes_late_finds_everything_in_order_and_goes_on_live() {
    let product = Product::alone(&[]);
    let room = make_room(&product, "ann", "Long talk");
    let mut ann = Person::connect(&product, "ann").await;
    for n in 0..130 {
        ann.says(&room, &format!("{n:03}")).await;
    }
    let mut late = Person::connect(&product, "late").await;
    let joined = late.joins(&room).await;
    assert_eq!(joined["member_count"], 2);
    let (mut read, mut after) = (Vec::new(), 0);
    loop {
        let path = format!("/api/rooms/{room}/messages?user_id=late&limit=50&after={after}");
        let page = as_json(&product, &path);
        let messages = page["messages"].as_array().unwrap().clone();
        let Some(last) = messages.last() else { break };
        after = last["seq"].as_u64().unwrap();
        read.extend(messages.iter().map(|message| message["content"].as_str().unwrap().to_owned()));
    }
    assert_eq!(read, (0..130).map(|n| format!("{n:03}")).collect::<Vec<_>>());
    ann.says(&room, "live").await;
    assert_eq!(late.hears("live").await["number"], 131);
}

#[tokio::test]
async fn a_deleted_room_is_gone_for_everybody_at_once() {
    let product = Product::alone(&[]);
    let room = make_room(&product, "ann", "Short-lived");
    let mut members =
        join_all((0..MEMBERS).map(async |n| Person::connect(&product, &format!("m-{n}")).await)).await;
    join_all(members.iter_mut().map(async |member| member.joins(&room).await)).await;
    let deleted = call(product.http, "DELETE", &format!("/api/rooms/{room}?user_id=ann"), &[], b"");
    assert_eq!(deleted.status, 200, "{}", deleted.text());
    for member in &mut members {
        member.until(|frame| frame["type"] == "room_deleted" && frame["room_id"] == room.as_str()).await;
        let send = serde_json::json!({"action": "send", "room_id": room, "content": "too late"});
        assert_eq!(member.is_refused(send).await, "room_not_found");
    }
    assert_eq!(product.get(&format!("/api/rooms/{room}?user_id=m-1")).status, 404);
}
