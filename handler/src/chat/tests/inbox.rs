use super::world::*;
use crate::adapters::faulty::Mode;
use crate::ports::Received;

async fn inbox(world: &World, who: &str) -> serde_json::Value {
    serde_json::to_value(world.chat.inbox(&caller(who), None, None, None).await.unwrap()).unwrap()
}

fn ids(page: &serde_json::Value) -> Vec<&str> {
    page["messages"].as_array().unwrap().iter().map(|message| message["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn every_direct_message_waits_until_it_is_acknowledged() {
    let world = World::open().await;
    let mut all = Vec::new();
    for n in 1..=4 {
        let received = world.accept_direct("ann", "bob", &format!("m{n}"), "hi").await;
        world.deliver(std::slice::from_ref(&received)).await;
        world.ticker.advance(std::time::Duration::from_millis(1));
        all.push(Received { attempt: 2, ..received });
    }
    let page = inbox(&world, "bob").await;
    assert_eq!(ids(&page), ["m1", "m2", "m3", "m4"]);
    assert!(inbox(&world, "ann").await["messages"].as_array().unwrap().is_empty());
    let second = page["messages"][1]["inbox_id"].as_str().unwrap().to_owned();
    let done = world.chat.acknowledge(&caller("bob"), &["m1".to_owned(), second, "m9".to_owned()]).await;
    assert_eq!(done.unwrap(), 2);
    world.deliver(&all).await;
    assert_eq!(ids(&inbox(&world, "bob").await), ["m3", "m4"], "a redelivery restores nothing");
    assert_eq!(world.chat.acknowledge_read(&caller("bob"), "ann", 3).await.unwrap(), 1);
    assert_eq!(ids(&inbox(&world, "bob").await), ["m4"]);
}

#[tokio::test]
async fn pages_go_both_ways() {
    let world = World::open().await;
    for n in 0..5 {
        let received = world.accept_direct("ann", "bob", &format!("m{n}"), "hi").await;
        world.ticker.advance(std::time::Duration::from_millis(1));
        world.deliver(&[received]).await;
    }
    let bob = caller("bob");
    let (mut seen, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = world.chat.inbox(&bob, after.as_deref(), None, Some(2)).await.unwrap();
        seen.extend(page.items.iter().map(|item| item.message.id.to_string()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["m0", "m1", "m2", "m3", "m4"]);
    let last = world.chat.inbox(&bob, None, None, None).await.unwrap().items[4].key().to_text();
    let back = world.chat.inbox(&bob, None, Some(&last), Some(2)).await.unwrap();
    let ids: Vec<_> = back.items.iter().map(|item| item.message.id.as_str()).collect();
    assert_eq!(ids, ["m2", "m3"]);
    let further = world.chat.inbox(&bob, None, back.next.as_deref(), Some(2)).await.unwrap();
    assert_eq!((further.items.len(), further.next), (2, None));
    assert_eq!(
        world.chat.inbox(&bob, Some("nonsense"), None, None).await.unwrap_err().code,
        "invalid_cursor"
    );
    assert_eq!(world.chat.inbox(&bob, Some(&last), Some(&last), None).await.unwrap_err().code, "two_cursors");
    let many = vec![String::new(); 1_001];
    assert_eq!(world.chat.acknowledge(&bob, &many).await.unwrap_err().code, "too_many_ids");
}

#[tokio::test]
async fn the_row_is_there_before_the_frame_and_though_the_transport_is_away() {
    let world = World::open().await;
    world.live.set(Mode::FailAll);
    let received = world.accept_direct("ann", "bob", "m1", "hi").await;
    let patience = crate::chat::Patience::Until(std::time::Duration::ZERO);
    assert!(world.chat.deliver(&[received], patience).await.is_err());
    assert_eq!(ids(&inbox(&world, "bob").await), ["m1"]);
    world.live.set(Mode::Quiet);
    world.chat.connected(&crate::contract::data::user("bob"), "c1").await.unwrap();
    let handed = world.sent_to("c1");
    assert_eq!((handed[0]["type"].as_str(), ids(&handed[0])), (Some("inbox"), vec!["m1"]));
}

#[tokio::test]
async fn what_is_handed_over_fits_into_a_frame() {
    let world = World::open().await;
    // Each of its characters takes six bytes of JSON.
    let long = "\u{1}".repeat(crate::model::bounds::CONTENT_UTF16_UNITS - 1) + ".";
    let mut sent = Vec::new();
    for n in 0..12 {
        let received = world.accept_direct("ann", "bob", &format!("m{n:02}"), &long).await;
        world.ticker.advance(std::time::Duration::from_millis(1));
        world.deliver(&[received]).await;
        sent.push(format!("m{n:02}"));
    }
    world.chat.connected(&crate::contract::data::user("bob"), "c1").await.unwrap();
    let handed = world.sent_to("c1");
    assert!(handed[0].to_string().len() <= crate::model::bounds::FRAME_BYTES);
    let mut all: Vec<String> = ids(&handed[0]).into_iter().map(str::to_owned).collect();
    let mut next = Some(handed[0]["next"].as_str().unwrap().to_owned());
    while let Some(after) = next {
        let page = world.chat.inbox(&caller("bob"), Some(&after), None, None).await.unwrap();
        all.extend(page.items.iter().map(|item| item.message.id.to_string()));
        next = page.next;
    }
    assert_eq!(all, sent);
}
