//! What outsiders can do to a hub without harm to it or to others: read nothing, stop half-way, come and go, come back
//! all at once.
#![allow(clippy::expect_used, clippy::panic, reason = "this is test code; clippy only knows test functions")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hub::{OutMessage, Selection, Target};
use support::raw::{RawClient, frame};
use support::{Client, JSON, NOW, RELIABLE, Recorder, Server, eventually, key, name, options};
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, timeout};
use webpubsub::payload::Payload;
use webpubsub::token::mint_rest_token;

fn text(text: impl Into<String>) -> OutMessage {
    OutMessage::new(Payload::Text(text.into()))
}

fn send_to_all(server: &Server, message: &OutMessage) {
    server.hub.send(&name("chat"), Target::All, message, &Selection::default());
}

/// The place of a message of a reliable client, and the number in its data.
fn numbers(frame: &str) -> (u64, u64) {
    let frame: serde_json::Value = serde_json::from_str(frame).expect("JSON");
    let data = frame["data"].as_str().expect("text");
    let number = data.split(' ').next().and_then(|number| number.parse().ok());
    (frame["sequenceId"].as_u64().expect("an id"), number.expect("a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reliable_client_that_was_too_slow_comes_back_and_misses_nothing() {
    const COUNT: u64 = 900;
    let mut options = options();
    options.outbox_bytes = 512 * 1024;
    options.linger = Duration::from_millis(100);
    let server = Server::start(options).await;
    let slow = server.client("slow", Some(RELIABLE)).await;
    let plain = server.client("plain", Some(JSON)).await;
    let padding = "x".repeat(12 * 1024);
    for number in 1..=COUNT {
        send_to_all(&server, &text(format!("{number} {padding}")));
        tokio::task::yield_now().await;
    }
    eventually(|| server.hub.stats().slow_consumers == 2).await;
    eventually(|| server.hub.connection_count() == 1).await;
    let mut again = server.recover(&slow).await;
    let mut seen = 0;
    while seen < COUNT {
        // The replay itself may be more than waits for a socket, so it may be cut off again.
        let Some(frame) = again.next().await else {
            again = server.recover(&slow).await;
            continue;
        };
        let tokio_tungstenite::tungstenite::Message::Text(frame) = frame else {
            again = server.recover(&slow).await;
            continue;
        };
        let (sequence_id, number) = numbers(&frame);
        assert_eq!(sequence_id, number);
        assert!(number <= seen + 1, "nothing is missing before {number}");
        seen = seen.max(number);
    }
    drop(plain);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_of_a_thousand_that_never_read_delay_nobody() {
    const CLIENTS: usize = 1000;
    const MOST_BROADCASTS: usize = 400;
    let mut options = options();
    options.outbox_bytes = 128 * 1024;
    // Pings would only come between.
    options.keep_alive = Duration::ZERO;
    options.linger = Duration::from_millis(100);
    let server = Arc::new(Server::start(options).await);
    let target = format!("/client/hubs/chat?access_token={}", server.token(|_| ()));
    let (mut clients, mut silent) = (Vec::new(), Vec::new());
    for number in 0..CLIENTS {
        if number % 20 == 0 {
            silent.push(RawClient::open_narrow(&server, &target).await);
        } else {
            clients.push(RawClient::open(&server, &target, "").await);
        }
    }
    let url = format!("http://{}/api/hubs/chat/:send", server.address);
    let bearer = mint_rest_token(&key(), &url, NOW, 60).expect("a token");
    let head = format!(
        "POST /api/hubs/chat/:send HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {bearer}\r\n\
         content-type: application/octet-stream\r\ncontent-length: 65536\r\n\r\n"
    );
    let call = [head.as_bytes(), &[7; 65_536]].concat();
    let mut application = RawClient::connect(&server).await;
    let mut longest = Duration::ZERO;
    let mut broadcasts = 0;
    // How much a silent client's socket takes before its messages wait in the hub is the system's choice.
    while server.hub.stats().slow_consumers < silent.len() as u64 {
        broadcasts += 1;
        assert!(broadcasts < MOST_BROADCASTS, "the silent ones are closed");
        let start = Instant::now();
        application.send(&call).await;
        assert!(application.head().await.starts_with("HTTP/1.1 202 "));
        let lengths = join_all(
            clients.iter_mut().map(async |client| client.next().await.expect("a message").payload.len()),
        );
        assert!(lengths.await.iter().all(|length| *length == 65_536), "each gets each, at once");
        longest = longest.max(start.elapsed());
    }
    // 64 KiB to 950 clients by one reader is tens of milliseconds of copying; a wait for a socket would be seconds.
    assert!(longest < Duration::from_secs(5), "{longest:?}");
    eventually(|| server.hub.connection_count() == clients.len()).await;
}

#[tokio::test]
async fn who_stops_half_way_is_dropped() {
    let mut options = options();
    options.keep_alive = Duration::from_millis(160);
    options.linger = Duration::from_millis(50);
    options.recovery_window = Duration::from_millis(100);
    let server = Server::start(options).await;
    let target = format!("/client/hubs/chat?access_token={}", server.token(|_| ()));
    let half_a_message = [frame(0x1, &[b'x'; 1000]), frame(0x80, &[b'y'; 1000])[..500].to_vec()].concat();
    let table: [(&str, &[u8]); 4] = [
        ("nothing at all", b""),
        ("half a header", &[0x81, 0xFE, 0x01]),
        ("a header that promises a mebibyte", &[0x81, 0xFF, 0, 0, 0, 0, 0, 0x10, 0, 0, 1, 2, 3, 4, b'x']),
        ("half a message", &half_a_message),
    ];
    for subprotocol in [None, Some(JSON), Some(RELIABLE)] {
        let headers =
            subprotocol.map(|name| format!("sec-websocket-protocol: {name}\r\n")).unwrap_or_default();
        for (name, bytes) in table {
            let mut client = RawClient::open(&server, &target, &headers).await;
            client.send(bytes).await;
            // It has the pings and the close, but never answers.
            timeout(Duration::from_secs(5), client.until_end()).await.expect(name);
        }
    }
    eventually(|| server.hub.connection_count() == 0).await;
}

#[tokio::test]
async fn a_trickle_of_any_bytes_is_a_sign_of_life() {
    let mut options = options();
    options.keep_alive = Duration::from_millis(320);
    let server = Server::start(options).await;
    let target = format!("/client/hubs/chat?access_token={}", server.token(|_| ()));
    let mut client =
        RawClient::open(&server, &target, "sec-websocket-protocol: json.webpubsub.azure.v1\r\n").await;
    let ping = frame(0x81, format!(r#"{{"type":"ping"{}}}"#, " ".repeat(20)).as_bytes());
    let mut pause = tokio::time::interval(Duration::from_millis(40));
    for byte in &ping {
        pause.tick().await;
        client.stream.write_all(&[*byte]).await.expect("still there");
    }
    assert_eq!(server.hub.connection_count(), 1, "longer than the keep-alive under way, in one frame");
}

#[tokio::test]
async fn two_thousand_that_come_and_go_leave_nothing_behind() {
    let server = Server::start(options()).await;
    let recorder = Arc::new(Recorder::default());
    server.hub.set_handler(None, recorder.clone());
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    drop(server.client("first", Some(JSON)).await);
    eventually(|| server.hub.connection_count() == 0).await;
    // The server itself, the flushers and the sweep are there to stay.
    let before = alive();
    for round in 0..40 {
        let comers = (0..50).map(async |number| {
            let kind = [None, Some(JSON)][number % 2];
            let mut client = server.client(&format!("u{}", number % 7), kind).await;
            match number % 4 {
                0 => client.close(1000, "").await,
                1 => client.join("g").await,
                2 => client.send("half done").await,
                _ => client.send(r#"{"type":"joinGroup","group":"g","ackId":1}"#).await,
            }
        });
        join_all(comers).await;
        eventually(|| server.hub.connection_count() == 0).await;
        assert!(!server.hub.exists(&name("chat"), Target::Group("g")), "round {round}");
    }
    eventually(|| alive() <= before).await;
    let heard = recorder.heard();
    let count = |what: &str| heard.iter().filter(|line| line.contains(what)).count();
    assert_eq!((count("0 connect"), count(" disconnected: ")), (2001, 2001));
    let stats = server.hub.stats();
    assert_eq!((stats.connections, stats.slow_consumers), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_come_back_at_once() {
    let server = Server::start(options()).await;
    let comers = join_all((0..300).map(|number| {
        let server = &server;
        async move { server.client(&format!("u{number}"), Some(RELIABLE)).await }
    }));
    let mut clients = comers.await;
    for client in &mut clients {
        client.close(1001, "").await;
    }
    send_to_all(&server, &text("1 missed"));
    let urls: Vec<_> = clients.iter().map(|client| server.recovery_url(client)).collect();
    drop(clients);
    let backs = join_all(urls.iter().map(|url| Client::open(url, Some(RELIABLE)))).await;
    let mut backs: Vec<_> = backs.into_iter().map(|client| client.expect("upgraded")).collect();
    for client in &mut backs {
        assert_eq!(numbers(&client.text().await), (1, 1));
        client.is_quiet().await;
    }
    assert_eq!(server.hub.connection_count(), 300);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_attempts_to_take_a_living_connection_over_one_has_it() {
    let server = Server::start(options()).await;
    let client = server.client("ann", Some(RELIABLE)).await;
    send_to_all(&server, &text("1 before"));
    let url = server.recovery_url(&client);
    let attempts = join_all((0..100).map(|_| Client::open(&url, Some(RELIABLE)))).await;
    // A socket that lost is dropped, perhaps before its client has even read the 101.
    let attempts: Vec<_> = attempts.into_iter().filter_map(Result::ok).collect();
    let last = server.recover(&client).await;
    let mut holders = attempts;
    holders.push(last);
    // Only who holds it gets an answer.
    let answers = join_all(holders.into_iter().map(async |mut client| {
        let _ = futures_util::SinkExt::send(
            &mut client.socket,
            tokio_tungstenite::tungstenite::Message::text(r#"{"type":"ping"}"#),
        )
        .await;
        let mut pongs = 0;
        loop {
            match timeout(Duration::from_millis(500), client.next()).await {
                Ok(Some(frame)) if frame.to_text().is_ok_and(|text| text.contains("pong")) => pongs += 1,
                Ok(Some(_)) => {}
                Ok(None) => return (false, pongs),
                Err(_) => return (true, pongs),
            }
        }
    }))
    .await;
    assert_eq!(answers.iter().filter(|(open, _)| *open).count(), 1, "the others are dropped");
    assert_eq!(answers.last(), Some(&(true, 1)), "who came last has it");
    assert_eq!(server.hub.connection_count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_among_recoveries_ends_within_its_grace() {
    let mut options = options();
    options.linger = Duration::from_millis(100);
    let server = Server::start(options).await;
    let mut clients = Vec::new();
    for number in 0..50 {
        clients.push(server.client(&format!("u{number}"), Some(RELIABLE)).await);
    }
    let urls: Vec<_> = clients.iter().map(|client| server.recovery_url(client)).collect();
    // Half have lost their sockets; all try to recover while the hub stops, as clients do.
    clients.truncate(25);
    let storm = join_all(urls.iter().map(async |url| {
        while let Ok(mut client) = Client::open(url, Some(RELIABLE)).await {
            match client.next().await {
                // Taken over, or told that the hub goes away: try again.
                None => {}
                Some(frame) => assert!(frame.is_close(), "{frame:?}"),
            }
        }
    }));
    let start = Instant::now();
    let ((), _) =
        tokio::join!(server.hub.shutdown(Duration::from_secs(5)), timeout(Duration::from_secs(10), storm));
    assert!(start.elapsed() < Duration::from_secs(10), "every attempt ended in a refusal");
    assert_eq!(server.hub.connection_count(), 0);
}

#[tokio::test]
async fn a_handler_that_hangs_does_not_hold_up_a_stop() {
    let server = Server::start(options()).await;
    let recorder = Arc::new(Recorder::default());
    recorder.gate.forget_permits(tokio::sync::Semaphore::MAX_PERMITS);
    server.hub.set_handler(None, recorder.clone());
    let mut client = server.client("ann", Some(JSON)).await;
    client.send(r#"{"type":"event","event":"slow","dataType":"text","data":"x"}"#).await;
    eventually(|| server.hub.stats().messages_in == 1).await;
    let start = Instant::now();
    server.hub.shutdown(Duration::from_millis(300)).await;
    assert!(start.elapsed() < Duration::from_secs(3));
    assert_eq!(client.closed().await.0, 1001, "the close did not wait for the handler");
}

#[tokio::test]
async fn one_read_full_of_requests_lets_others_run() {
    let server = Server::start(options()).await;
    let target = format!("/client/hubs/chat?access_token={}", server.token(|_| ()));
    let headers = "sec-websocket-protocol: json.webpubsub.azure.v1\r\n";
    let mut client = RawClient::open(&server, &target, headers).await;
    client.next().await.expect("connected");
    let turns = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = turns.clone();
    let other = tokio::spawn(async move {
        loop {
            counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    let burst = frame(0x81, br#"{"type":"ping"}"#).repeat(3000);
    client.stream.writable().await.expect("open");
    // The runtime has one thread, so the hub sees nothing before all of it is there.
    assert_eq!(client.stream.try_write(&burst).expect("room"), burst.len());
    let before = turns.load(std::sync::atomic::Ordering::Relaxed);
    client.next().await.expect("a pong");
    let between = turns.load(std::sync::atomic::Ordering::Relaxed) - before;
    assert!(between >= 10, "{between} turns during 3000 requests");
    other.abort();
}
