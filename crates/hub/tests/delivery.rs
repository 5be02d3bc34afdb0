//! Many at once: order, loss, and the one who does not keep up.
#![allow(clippy::expect_used, reason = "this is test code; clippy only knows test functions")]

mod support;

use std::collections::HashMap;
use std::time::Duration;

use hub::{OutMessage, Selection, Target};
use proptest::prelude::*;
use support::{Client, JSON, RELIABLE, Server, eventually, name, options};
use webpubsub::payload::Payload;

fn text(text: impl Into<String>) -> OutMessage {
    OutMessage::new(Payload::Text(text.into()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_consumer_is_closed_and_nobody_else_waits() {
    let mut options = options();
    options.outbox_bytes = 256 * 1024;
    options.linger = Duration::from_millis(200);
    let server = Server::start(options).await;
    let slow = server.client("slow", Some(JSON)).await;
    let mut quick = server.client("quick", Some(JSON)).await;
    let payload = "x".repeat(8 * 1024);
    let mut sent = 0;
    // The slow one reads nothing: the socket's buffers fill first, then its outbox.
    while server.hub.exists(&name("chat"), Target::User("slow")) {
        server.hub.send(
            &name("chat"),
            Target::All,
            &text(format!("{sent} {payload}")),
            &Selection::default(),
        );
        let frame = quick.text().await;
        assert!(frame.contains(&format!("\"data\":\"{sent} ")), "the quick one gets each at once");
        sent += 1;
        assert!(sent < 100_000, "the slow one is never closed");
    }
    assert_eq!(server.hub.stats().slow_consumers, 1);
    quick.is_quiet().await;
    drop(slow);
}

#[tokio::test]
async fn a_slow_consumer_that_reads_on_learns_why() {
    let mut options = options();
    options.outbox_bytes = 64 * 1024;
    let server = Server::start(options).await;
    let mut slow = server.client("slow", Some(JSON)).await;
    let payload = text("x".repeat(32 * 1024));
    // Without a pause for the writer the outbox itself overflows.
    while server.hub.stats().slow_consumers == 0 {
        server.hub.send(&name("chat"), Target::All, &payload, &Selection::default());
    }
    let mut read = 0;
    loop {
        match slow.next().await.expect("a close comes first") {
            tokio_tungstenite::tungstenite::Message::Close(frame) => {
                let frame = frame.expect("a code");
                assert_eq!(
                    (u16::from(frame.code), frame.reason.as_str()),
                    (1013, "The client reads too slowly.")
                );
                break;
            }
            _ => read += 1,
        }
    }
    assert!(read < 10, "what waited was dropped");
    eventually(|| server.hub.connection_count() == 0).await;
}

#[tokio::test]
async fn selections_narrow_a_send() {
    let server = Server::start(options()).await;
    let mut ann = server.client("ann", Some(JSON)).await;
    let mut bob = server.client("bob", Some(RELIABLE)).await;
    bob.join("g").await;
    let chat = name("chat");
    let excluded = [ann.id.clone()];
    let select = Selection { excluded: &excluded, ..Selection::default() };
    assert_eq!(server.hub.send(&chat, Target::All, &text("not ann"), &select), 1);
    let in_g = |subject: &hub::Subject<'_>| subject.in_group("g") && subject.protocol == Some(RELIABLE);
    let select = Selection { filter: Some(&in_g), ..Selection::default() };
    assert_eq!(server.hub.send(&chat, Target::All, &text("in g"), &select), 1);
    let ann_only = |subject: &hub::Subject<'_>| subject.user_id == Some("ann") && subject.groups().len() == 0;
    let select = Selection { filter: Some(&ann_only), ..Selection::default() };
    assert_eq!(server.hub.add_to_group(&chat, Target::All, "h", &select), 1);
    assert_eq!(server.hub.send(&chat, Target::Group("h"), &text("in h"), &Selection::default()), 1);
    assert!(bob.text().await.contains("not ann"));
    assert!(bob.text().await.contains("in g"));
    assert!(ann.text().await.contains("in h"));
    ann.is_quiet().await;
    bob.is_quiet().await;

    let page = server.hub.connections_in(&chat, "h", None, 10);
    assert_eq!(page[0].user_id.as_deref(), Some("ann"));
    assert!(server.hub.connections_in(&chat, "h", Some(&page[0].connection_id), 10).is_empty());
    assert_eq!(server.hub.remove_from_all_groups(&chat, Target::User("bob")), 1);
    assert_eq!(server.hub.remove_from_group(&chat, Target::All, "h", &Selection::default()), 1);
    assert!(!server.hub.exists(&chat, Target::Group("h")));
}

/// Reads group messages until each sender's last one; checks that nothing of a sender is lost or out of order once
/// the first one was seen.
async fn read_all(client: &mut Client, last: &HashMap<String, u32>, from_start: bool) {
    let mut seen: HashMap<String, u32> = HashMap::new();
    while last.iter().any(|(sender, last)| seen.get(sender) != Some(last)) {
        let frame = client.text().await;
        let frame: serde_json::Value = serde_json::from_str(&frame).expect("JSON");
        let Some(data) = frame["data"].as_str() else { continue };
        let (sender, number) = data.split_once(' ').expect("sender and number");
        let number: u32 = number.parse().expect("a number");
        match seen.insert(sender.to_owned(), number) {
            Some(before) => assert_eq!(number, before + 1, "of {sender}"),
            None if from_start => assert_eq!(number, 0, "of {sender}"),
            None => {}
        }
    }
}

async fn publish(mut sender: Client, user: String, count: u32) -> Client {
    for number in 0..count {
        let frame =
            format!(r#"{{"type":"sendToGroup","group":"g","dataType":"text","data":"{user} {number}"}}"#);
        sender.send(&frame).await;
    }
    sender.is_quiet().await;
    sender
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Several senders at once, over joins and leaves of others: each member gets every message of each sender from
    /// its join on, in that sender's order.
    #[test]
    fn order_per_sender_without_loss(
        senders in 1..4_u32,
        count in 1..300_u32,
        reliable in any::<bool>(),
        comers in 0..6_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let server = Server::start(options()).await;
            let kind = if reliable { RELIABLE } else { JSON };
            let mut early = server.client("early", Some(kind)).await;
            early.join("g").await;
            let mut tasks = Vec::new();
            for sender in 0..senders {
                let user = format!("s{sender}");
                let client = server.client(&user, Some(JSON)).await;
                tasks.push(tokio::spawn(publish(client, user, count)));
            }
            let (mut late, mut gone) = (Vec::new(), Vec::new());
            for comer in 0..comers {
                let mut client = server.client("late", Some(kind)).await;
                client.send(r#"{"type":"joinGroup","group":"g"}"#).await;
                if comer % 2 == 0 {
                    client.send(r#"{"type":"leaveGroup","group":"g"}"#).await;
                    // Kept, because a socket that closes with unread messages destroys what it sent.
                    gone.push(client);
                } else {
                    late.push(client);
                }
            }
            let mut publishers = Vec::new();
            for task in tasks {
                publishers.push(task.await.expect("published"));
            }
            let last: HashMap<String, u32> = (0..senders).map(|s| (format!("s{s}"), count - 1)).collect();
            read_all(&mut early, &last, true).await;
            // Who came later is certain to be in by now; one more of each sender reaches it.
            server.members("g", 1 + late.len()).await;
            for (sender, publisher) in publishers.iter_mut().enumerate() {
                let frame = format!(
                    r#"{{"type":"sendToGroup","group":"g","dataType":"text","data":"s{sender} {count}"}}"#
                );
                publisher.send(&frame).await;
            }
            let last: HashMap<String, u32> = (0..senders).map(|s| (format!("s{s}"), count)).collect();
            for client in &mut late {
                read_all(client, &last, false).await;
            }
        });
    }
}
