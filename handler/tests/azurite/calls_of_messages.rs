//! How many calls of other machines a message takes, as the program counts them; printed for whoever pays for them.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};

use crate::azurite::{azurite, prefix};
use crate::real_product::Product;
use crate::service::{Client, free_port, hub, program, with_key};

const MESSAGES: u64 = 20;

/// List prices of 2026 in dollars per million, beyond what is free; they age. Memory time of the functions and logs are not in it.
const BUS_OPERATION: f64 = 0.80;
const TABLE_ROW: f64 = 0.036;
const FRAME_OUT: f64 = 1.00;
const FUNCTION: f64 = 0.20;

/// Modelled: in and out of the function app once each; sent, received and settled at the bus; each row of a transaction is
/// metered (head, entry, state, marker); each receiver's frame is one of at most 2 KB.
fn dollars_per_million(calls: &BTreeMap<String, u64>, receivers: f64) -> f64 {
    let of = |call: &str| calls.get(call).copied().unwrap_or_default() as f64 / MESSAGES as f64;
    let rows = 4.0 * of("log.append") + of("log.mark_sent") + of("inbox.put");
    2.0 * FUNCTION + 3.0 * BUS_OPERATION + rows * TABLE_ROW + receivers * FRAME_OUT
}

/// How often each method was called so far.
fn calls(product: &Product) -> BTreeMap<String, u64> {
    let metrics = product.get("/api/metrics").json();
    let calls = metrics["calls"].as_object().unwrap();
    let count = |numbers: &Value| {
        let ends = ["ok", "refused", "failed", "timed_out", "dropped"];
        ends.iter().filter_map(|end| numbers[*end].as_u64()).sum()
    };
    calls.iter().map(|(call, numbers)| (call.clone(), count(numbers))).collect()
}

/// Sends one after the other, each when the former is delivered. Answers the calls for all of them.
fn calls_for(product: &Product, message: &Value) -> BTreeMap<String, u64> {
    let send = |occasion: &str, n: u64| {
        let mut message = message.clone();
        message["MessageID"] = format!("{occasion}-{n}").into();
        let delivered = |answer: &crate::real_product::Answer| answer.json()["delivered"].as_u64().unwrap();
        let before = delivered(&product.get("/api/metrics"));
        let answer = product.post("/api/sendMessage", &message.to_string());
        assert_eq!(answer.status, 200, "{}", answer.text());
        product.eventually("/api/metrics", |answer| delivered(answer) > before);
    };
    // What is learnt once is learnt here: the head, the names, the memberships.
    (0..3).for_each(|n| send("first", n));
    let before = calls(product);
    (0..MESSAGES).for_each(|n| send("counted", n));
    let after = calls(product);
    let made = |(call, count): (String, u64)| {
        let made = count - before.get(&call).copied().unwrap_or_default();
        (made > 0).then_some((call, made))
    };
    after.into_iter().filter_map(made).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_one_append_and_one_send() {
    let (port, prefix, data) = (free_port(), prefix(), tempfile::tempdir().unwrap());
    let hub = hub(port, "");
    let settings = [
        ("WEBPUBSUB_CONNECTION_STRING", with_key(&hub)),
        ("STORAGE_MODE", "table".to_owned()),
        ("QUEUE_MODE", "embedded".to_owned()),
        ("AZURE_STORAGE_CONNECTION_STRING", azurite().connection.clone()),
        ("CHAT_TABLE_NAME", prefix),
        ("DATA_DIR", data.path().display().to_string()),
        ("RUST_LOG", "handler=debug".to_owned()),
    ];
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut product = program(port, &settings);
    let _bob = Client::connect(&product, &hub, "bob").await;

    let direct = json!({"SenderID": "ann", "ReceiverID": "bob", "MessageText": "hi"});
    let room = json!({"SenderID": "ann", "room_id": "general", "MessageText": "hi"});
    let kinds = [("direct", calls_for(&product, &direct)), ("room", calls_for(&product, &room))];
    let mut table = "calls a message, one send to the bus not counted\n".to_owned();
    for (kind, calls) in &kinds {
        for (call, count) in calls.iter().filter(|(call, _)| *call != "rooms.list") {
            let _ = writeln!(table, "  {kind:8}{call:32}{:6.2}", *count as f64 / MESSAGES as f64);
        }
    }
    let _ = writeln!(table, "modelled dollars per million messages, each alone in its batch");
    let (direct, room) = (&kinds[0].1, &kinds[1].1);
    let _ = writeln!(table, "  direct, the receiver at one socket  {:6.2}", dollars_per_million(direct, 1.0));
    for members in [2.0, 10.0, 100.0] {
        let dollars = dollars_per_million(room, members);
        let _ = writeln!(table, "  room of {members:3} at one socket each     {dollars:6.2}");
    }
    println!("{table}");
    let of = |kind: usize, call: &str| kinds[kind].1.get(call).copied().unwrap_or_default();
    assert_eq!((of(0, "log.append"), of(1, "log.append")), (MESSAGES, MESSAGES), "{table}");
    assert_eq!((of(0, "inbox.put"), of(1, "inbox.put")), (MESSAGES, 0), "{table}");
    // Who came online may still be told meanwhile.
    assert!((MESSAGES..MESSAGES + 3).contains(&of(1, "transport.publish")), "{table}");

    // What the conversation's own task called is in the line of whoever asked it.
    product.signal("TERM");
    product.ended();
    let lines = product.all_lines();
    let of_worker = |line: &&String| line.contains("function=\"worker\"");
    let told = lines.iter().filter(of_worker).filter(|line| line.contains("log.append=1")).count() as u64;
    assert!(told >= 2 * MESSAGES, "{told}: {lines:#?}");
}
