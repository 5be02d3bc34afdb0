//! What the system allows: open files, and room on the disk; and what callers are allowed in a time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod product;

use std::process::{Command, Stdio};

use product::{Product, call};
use serde_json::json;

/// The binary behind shell commands that change what the system allows it.
fn limited(script: &str, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{script}; exec {}", env!("CARGO_BIN_EXE_handler")));
    command.env_clear().env("PORT", "0").envs(settings.iter().copied()).stdin(Stdio::null());
    command
}

/// A default of 1,024 open files would end the hub at a thousand connections.
#[cfg(target_os = "linux")]
#[test]
fn the_limit_of_open_files_is_raised_as_far_as_it_goes() {
    let mut product = Product::spawn(&mut limited("ulimit -Sn 100; ulimit -Hn 900", &[]));
    product.wait_for("ready");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", product.id())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(words[3..5], ["900", "900"], "{line}");
}

/// A file that may not grow stands for a full disk: both fail the write in the middle.
#[test]
fn a_full_disk_is_503_and_costs_nothing_that_was_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("STORAGE_MODE", "file"), ("DATA_DIR", dir.path().to_str().unwrap())];
    let mut product = Product::spawn(&mut limited("trap '' XFSZ; ulimit -f 4000", &settings));
    product.learn_addresses();
    let mut accepted = Vec::new();
    let refused = loop {
        let id = format!("m-{}", accepted.len());
        let body = json!({"SenderID": "ann", "RoomID": "general", "MessageText": "x".repeat(30_000), "MessageID": id});
        let answer = product.post("/api/sendMessage", &body.to_string());
        if answer.status != 200 {
            break answer;
        }
        accepted.push(id);
        assert!(accepted.len() < 5_000, "the disk is never full");
    };
    assert_eq!((refused.status, refused.error().0), (503, "queue_unavailable".into()), "{}", refused.text());
    assert_eq!(refused.header("retry-after"), Some("1"));
    let headers = [("x-user-id", "ann"), ("content-type", "application/json")];
    for n in 0..200 {
        let body = json!({"name": format!("Room {n}"), "description": "d".repeat(1_000)}).to_string();
        let answer = call(product.http, "POST", "/api/rooms", &headers, body.as_bytes());
        assert!(matches!(answer.status, 201 | 503), "{}", answer.text());
    }
    assert_eq!(product.get("/api/health").status, 200);
    product.signal("KILL");
    product.ended();

    let mut all = vec![("PORT", "0")];
    all.extend_from_slice(&settings);
    let product = Product::alone(&all);
    let stored = || {
        let (mut ids, mut after) = (Vec::new(), 0);
        loop {
            let page = product.get(&format!("/api/rooms/general/messages?after={after}")).json();
            let messages = page["messages"].as_array().unwrap();
            ids.extend(messages.iter().map(|message| message["id"].as_str().unwrap().to_owned()));
            match page["next"].as_u64() {
                Some(next) => after = next,
                None => return ids,
            }
        }
    };
    product.eventually("/api/health", |_| stored().len() >= accepted.len());
    assert_eq!(stored(), accepted);
}

/// A bucket that fills so slowly that no machine is slow enough to see it.
const FIVE: &str = "1/5";

fn from(address: &str) -> [(&str, &str); 1] {
    [("x-forwarded-for", address)]
}

#[test]
fn an_address_has_so_many_requests_whatever_it_says_of_itself() {
    let product = Product::alone(&[("RATE_LIMIT_IP", "1/40")]);
    let statuses: Vec<u16> = (0..120)
        .map(|n| call(product.http, "GET", "/api/rooms", &from(&format!("10.0.0.{n}")), b"").status)
        .collect();
    assert!(statuses[..40].iter().all(|status| *status == 200), "{statuses:?}");
    let refused = statuses.iter().filter(|status| **status == 429).count();
    assert!(refused > 40, "{statuses:?}");
    // The hub's port has no buckets of its own.
    let hub = call(product.hub.unwrap(), "GET", "/client/hubs/demo_ai_chat", &[], b"");
    let answers = [hub, product.get("/api/rooms"), product.get("/nothing"), product.get("/")];
    let refused = answers.iter().find(|answer| answer.status == 429).expect("it takes seconds to refill");
    assert_eq!(refused.error(), ("rate_limited".into(), "address".into()));
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    // Who watches the program is not shut out with the others.
    assert_eq!(product.get("/api/health").status, 200);
    assert_eq!(product.get("/readyz").status, 200);
}

#[test]
fn under_the_host_the_entry_of_its_own_proxy_counts() {
    let product = Product::under_host(&[("RATE_LIMIT_IP", FIVE)]);
    product.eventually("/api/health", |answer| answer.status == 200);
    let ask = |list: &str| call(product.http, "GET", "/api/rooms", &from(list), b"").status;
    let flood: Vec<u16> = (0..30).map(|n| ask(&format!("10.9.8.{n}, 192.0.2.1"))).collect();
    assert!(flood.iter().filter(|status| **status == 429).count() > 15, "{flood:?}");
    assert_eq!(ask("192.0.2.1, 192.0.2.77"), 200, "another client");
    assert_eq!(ask("[2001:db8::1]:4711"), 200);
}

#[test]
fn a_user_has_so_many_messages_and_is_told_when_to_come_again() {
    let product = Product::alone(&[("RATE_LIMIT_USER", FIVE)]);
    let send = |who: &str, id: usize| {
        let body =
            json!({"SenderID": who, "RoomID": "general", "MessageText": "hi", "MessageID": id.to_string()});
        product.post("/api/sendMessage", &body.to_string())
    };
    let answers: Vec<_> = (0..20).map(|id| send("ann", id)).collect();
    assert!(answers[..5].iter().all(|answer| answer.status == 200));
    let refused = answers.iter().find(|answer| answer.status == 429).unwrap();
    assert_eq!(refused.error(), ("rate_limited".into(), "user".into()));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(send("bob", 0).status, 200);
    assert_eq!(send("ann", 0).status, 200, "a repeat is free");
    assert!(answers.iter().filter(|answer| answer.status == 200).count() < 15);
}

#[tokio::test]
async fn who_connects_too_often_is_told_at_the_door_when_to_come_again() {
    let product = Product::alone(&[("RATE_LIMIT_USER", FIVE)]);
    let url = format!("ws://{}/ws?user_id=ann", product.hub.unwrap());
    let mut open = Vec::new();
    let refused = loop {
        match tokio_tungstenite::connect_async(&url).await {
            Ok(socket) => open.push(socket),
            Err(tokio_tungstenite::tungstenite::Error::Http(refused)) => break refused,
            Err(error) => panic!("{error}"),
        }
        assert!(open.len() < 20, "nobody is refused");
    };
    assert_eq!(refused.status(), 429);
    let header = |name: &str| refused.headers()[name].to_str().unwrap();
    assert_eq!((header("retry-after"), header("content-type")), ("1", "application/json"));
    let said: serde_json::Value = serde_json::from_slice(refused.body().as_deref().unwrap()).unwrap();
    assert_eq!((&said["code"], &said["field"]), (&json!("rate_limited"), &json!("user")), "{said}");
}
