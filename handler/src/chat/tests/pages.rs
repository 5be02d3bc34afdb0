//! Pages of long messages: whatever was said, an answer fits a frame, and `next` leads on.

use serde_json::{Value, json};

use super::world::*;
use crate::contract::data::{at, message, new};
use crate::model::{ConversationId, bounds};
use crate::ports::NewEntry;

/// Six bytes of JSON each.
const WORST: char = '\u{1}';

async fn ask(world: &World, frame: Value) -> Value {
    let answer = world.chat.text_frame(&socket("bob", "c1"), frame.to_string().as_bytes()).await;
    assert!(answer.len() < 1024 * 1024, "{} bytes", answer.len());
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_ne!(answer["type"], "error", "{answer}");
    answer
}

async fn fill(world: &World, length: impl Fn(u64) -> usize, count: u64) {
    let general = ConversationId::new("general").unwrap();
    for n in 1..=count {
        let content: String = std::iter::repeat_n(WORST, length(n)).collect();
        let entry = NewEntry { at: at(n), ..new(message(&format!("m{n}"), &content)) };
        world.truth.log.append(&general, vec![entry]).await.unwrap();
    }
}

fn seqs(page: &Value) -> Vec<u64> {
    page["messages"].as_array().unwrap().iter().map(|message| message["seq"].as_u64().unwrap()).collect()
}

/// Every page there is, each in its own order, and how many.
async fn history(world: &World, cursor: &str, start: Option<u64>, limit: usize) -> (Vec<Vec<u64>>, Value) {
    let (mut pages, mut next) = (Vec::new(), start);
    loop {
        let mut frame = json!({"action": "history", "room": "general", "limit": limit});
        if let Some(next) = next {
            frame[cursor] = json!(next);
        }
        let page = ask(world, frame).await;
        pages.push(seqs(&page));
        next = page["next"].as_u64();
        if next.is_none() {
            return (pages, page);
        }
    }
}

#[tokio::test]
async fn a_page_of_history_ends_at_its_bytes_in_both_directions() {
    let world = World::open().await;
    fill(&world, |_| bounds::CONTENT_UTF16_UNITS, 30).await;
    let all: Vec<u64> = (1..=30).collect();
    let (forward, _) = history(&world, "after", Some(0), 100).await;
    assert_eq!((forward.concat(), forward[0].len()), (all.clone(), 4));
    let (mut backward, _) = history(&world, "before", None, 100).await;
    assert_eq!(backward[0], [27, 28, 29, 30], "the newest first");
    backward.reverse();
    assert_eq!(backward.concat(), all);
}

#[tokio::test]
async fn pages_of_every_length_lead_to_everything() {
    let world = World::open().await;
    fill(&world, |n| if n % 50 == 0 { bounds::CONTENT_UTF16_UNITS } else { 1 }, 300).await;
    let all: Vec<u64> = (1..=300).collect();
    for limit in [1, 127, 128, 129, 299, 300, 301] {
        let (forward, _) = history(&world, "after", Some(0), limit).await;
        assert_eq!(forward.concat(), all, "{limit}");
        assert!(limit > 300 || forward[0].len() <= limit);
        let (mut backward, _) = history(&world, "before", None, limit).await;
        assert!(backward.iter().all(|page| !page.is_empty()), "{limit}");
        backward.reverse();
        assert_eq!(backward.concat(), all, "{limit}");
    }
    let general = ConversationId::new("general").unwrap();
    world.truth.log.trim(&general, 90).await.unwrap();
    let gap = json!({"from": 1, "to": 90});
    let (pages, last) = history(&world, "before", None, 128).await;
    assert_eq!((pages.concat().len(), &last["gap"]), (210, &gap));
    let page = ask(&world, json!({"action": "history", "room": "general", "after": 0, "limit": 200})).await;
    assert_eq!((&page["gap"], seqs(&page)[0]), (&gap, 91));
}

#[tokio::test]
async fn a_page_of_the_inbox_ends_at_its_bytes_in_both_directions() {
    let world = World::open().await;
    let content: String = std::iter::repeat_n(WORST, bounds::CONTENT_UTF16_UNITS).collect();
    let mut all = Vec::new();
    for n in 0..10 {
        let id = format!("m{n}");
        let received = world.accept_direct("ann", "bob", &id, &content).await;
        world.deliver(&[received]).await;
        world.ticker.advance(std::time::Duration::from_millis(1));
        all.push(id);
    }
    for cursor in ["after", "before"] {
        let end = || json!(format!("9999-12-31T23-59-59.999Z_{}", "f".repeat(64)));
        let (mut found, mut next) = (Vec::new(), (cursor == "before").then(end));
        for _ in 0..10 {
            let mut frame = json!({"action": "inbox"});
            if let Some(next) = &next {
                frame[cursor] = next.clone();
            }
            let page = ask(&world, frame).await;
            let ids: Vec<_> =
                page["messages"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
            assert!((1..10).contains(&ids.len()));
            let place = if cursor == "after" { found.len() } else { 0 };
            found.splice(place..place, ids);
            next = page.get("next").cloned();
            if next.is_none() {
                break;
            }
        }
        assert_eq!(found, all, "{cursor}");
    }
}
