//! How many calls of other machines a message takes as it is deployed, and what they cost; printed for whoever pays.
//!
//! The goal is one send to the bus, one transaction and one send to a group, and for direct messages the inbox's row more. A
//! room's message keeps it. A direct one is sent to a second group, for the sender's other devices: two people have no group
//! of their own, and one that a pair would share had to be joined, kept and left for every pair.

use std::collections::BTreeMap;
use std::fmt::Write;

use funchost::Status;
use serde_json::{Value, json};

use crate::azurite::{azurite, prefix};
use crate::real_product::Product;
use crate::service::{Client, free_port, hub, with_key};
use crate::world::{App, PATIENCE, World};

const MESSAGES: u64 = 20;

/// List prices of 2026 in dollars per million, beyond what is free; they age.
const BUS_OPERATION: f64 = 0.80;
const TABLE_ROW: f64 = 0.036;
const EXECUTION: f64 = 0.20;
/// What a conversation writes once it has been quiet for a moment: each message by itself has one.
const MARK_ROWS: f64 = 1.0;
/// The shortest an execution is billed for: 128 MB for 100 ms.
const EXECUTION_TIME: f64 = 0.20;
/// Of a million units of this many bytes that leave Web PubSub. Requests to it are free.
const OUTBOUND_UNIT: f64 = 1.00;
const UNIT_BYTES: f64 = 2048.0;
/// Of a million bytes of a million messages, where all log lines are kept.
const LOGGED_BYTE: f64 = 2.30e-3;

/// What one kind of message took, for all of them.
struct Taken {
    calls: BTreeMap<String, u64>,
    /// Requests to the tables. Messages that follow each other at once leave hardly a mark of what was sent among them.
    requests: u64,
    /// Bytes of the frame as a receiver got it.
    frame: usize,
}

impl Taken {
    fn of(&self, call: &str) -> u64 {
        self.calls.get(call).copied().unwrap_or_default()
    }

    /// In and out of the function app once each; sent, received and settled at the bus; each row of a transaction is
    /// metered (head, entry, state, marker), and so is the mark that is written where no other message follows at once.
    fn dollars_per_million(&self, receivers: f64) -> f64 {
        let each = |count: u64| count as f64 / MESSAGES as f64;
        let rows = 3.0 * each(self.of("log.append")) + each(self.requests) + MARK_ROWS;
        let bus = 2.0 + each(self.of("queue.send"));
        let outbound = receivers * self.frame as f64 / UNIT_BYTES;
        2.0 * (EXECUTION + EXECUTION_TIME) + bus * BUS_OPERATION + rows * TABLE_ROW + outbound * OUTBOUND_UNIT
    }
}

async fn start(port: u16, hub: &Product) -> World {
    let app = App::new();
    let mut options = app.options();
    options.port = port;
    for (name, value) in [
        ("TRANSPORT_MODE", "webpubsub".to_owned()),
        ("WEBPUBSUB_CONNECTION_STRING", with_key(hub)),
        ("STORAGE_MODE", "table".to_owned()),
        ("AZURE_STORAGE_CONNECTION_STRING", azurite().connection.clone()),
        ("CHAT_TABLE_NAME", prefix()),
        ("RUST_LOG", "info".to_owned()),
    ] {
        options.settings.set(name, value);
    }
    app.start_with(options).await
}

/// How often each method was called so far, and how many requests went to the tables.
async fn counts(world: &World) -> (BTreeMap<String, u64>, u64) {
    let metrics = world.client.get("/api/metrics", "root").await.json;
    let count = |numbers: &Value| {
        let ends = ["ok", "refused", "failed", "timed_out", "dropped"];
        ends.iter().filter_map(|end| numbers[*end].as_u64()).sum()
    };
    let calls = metrics["calls"].as_object().unwrap();
    let calls = calls.iter().map(|(call, numbers)| (call.clone(), count(numbers))).collect();
    (calls, metrics["store_requests"].as_u64().unwrap())
}

/// Sends one after the other, each when the former is delivered and heard.
async fn taken(world: &World, bob: &mut Client, message: &Value) -> Taken {
    let mut frame = 0;
    let mut send = async |occasion: &str, n: u64| {
        let mut message = message.clone();
        let text = format!("{occasion}-{n:02}");
        (message["MessageID"], message["MessageText"]) = (text.clone().into(), text.clone().into());
        world.send(&message).await;
        frame = bob.hears(&text).await.to_string().len();
        let settled = world.host.wait_for(PATIENCE, Status::queues_are_empty).await;
        assert!(settled.is_ok(), "{settled:?}");
    };
    // What is learnt once is learnt here: the head, the names, the memberships.
    for n in 0..3 {
        send("first", n).await;
    }
    let (before, requests_before) = counts(world).await;
    for n in 0..MESSAGES {
        send("each", n).await;
    }
    let (after, requests_after) = counts(world).await;
    let made = |(call, count): (String, u64)| {
        let made = count - before.get(&call).copied().unwrap_or_default();
        // The numbers themselves count rooms; the mark is kept for the next append.
        (made > 0 && !["rooms.list", "log.mark_sent"].contains(&call.as_str())).then_some((call, made))
    };
    let counting = ["rooms.list"].map(|call| after[call] - before[call]);
    let requests = requests_after - requests_before - counting.iter().sum::<u64>();
    Taken { calls: after.into_iter().filter_map(made).collect(), requests, frame }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_one_send_to_the_bus_one_transaction_and_a_send_to_each_group_of_its_readers() {
    let port = free_port();
    let hub = hub(port, "");
    let world = start(port, &hub).await;
    let url = world.client.get("/api/negotiate?user_id=bob", "bob").await.json["url"].clone();
    let mut bob = Client::connect_at(url.as_str().unwrap(), &hub, "bob").await;
    bob.event(1, "join", json!({"room_id": "general"})).await;

    let direct = json!({"SenderID": "ann", "ReceiverID": "bob"});
    let direct = taken(&world, &mut bob, &direct).await;
    let room = taken(&world, &mut bob, &json!({"SenderID": "ann", "RoomID": "general"})).await;
    // The host reads them a moment later.
    let triggers = ["processQueue", "processTopic"];
    let delivered =
        |lines: &[Value]| triggers.iter().map(|name| of_function(lines, name).len() as u64).sum::<u64>();
    world.until(async || delivered(&lines(&world)) >= 2 * (MESSAGES + 3)).await;
    let lines = lines(&world);
    let bytes = logged_bytes(&lines);
    let table = printed(&direct, &room, bytes);
    println!("{table}");

    for kind in [&direct, &room] {
        assert_eq!((kind.of("queue.send"), kind.of("log.append")), (MESSAGES, MESSAGES), "{table}");
    }
    assert_eq!((direct.of("inbox.put"), room.of("inbox.put")), (MESSAGES, 0), "{table}");
    // Who came online may still be told meanwhile, and after a pause the mark goes by itself.
    assert!((MESSAGES..MESSAGES + 3).contains(&room.of("transport.publish")), "{table}");
    assert!((2 * MESSAGES..2 * MESSAGES + 3).contains(&direct.of("transport.publish")), "{table}");
    assert!((2 * MESSAGES..3 * MESSAGES).contains(&direct.requests), "{table}");
    assert!((MESSAGES..2 * MESSAGES).contains(&room.requests), "{table}");

    // What the conversation's own task called is in the line of whoever asked it, and both lines tell of one trace.
    // The first message of a pair tries its append, opens the log and appends.
    let delivered: BTreeMap<&str, &str> =
        triggers.iter().flat_map(|trigger| of_function(&lines, trigger)).collect();
    let sent = of_function(&lines, "POST /api/sendMessage");
    assert!(sent.len() as u64 >= 2 * MESSAGES, "{}", sent.len());
    for (trace, calls) in sent {
        assert!(calls.contains("queue.send=1"), "{calls}");
        assert!(
            delivered.get(trace).is_some_and(|calls| calls.contains("log.append=")),
            "{trace}: {delivered:?}"
        );
    }
    world.ends_well(0).await;
}

/// What the program told the host of invocations.
fn lines(world: &World) -> Vec<Value> {
    let log = world.host.handler_log();
    let lines =
        log.iter().filter_map(|line| serde_json::from_str::<Value>(line.get(line.find('{')?..)?).ok());
    lines.filter(|line| line["message"] == "invocation").collect()
}

/// The trace that each of a function's lines is of, and its calls.
fn of_function<'a>(lines: &'a [Value], function: &str) -> Vec<(&'a str, &'a str)> {
    let text = |line: &'a Value, name: &str| line[name].as_str().unwrap_or_default();
    let lines = lines.iter().filter(|line| line["function"] == function);
    lines.map(|line| (text(line, "trace"), text(line, "calls"))).collect()
}

/// Of the two lines of a message.
fn logged_bytes(lines: &[Value]) -> f64 {
    let mean = |names: &[&str]| {
        let of = |line: &&Value| names.iter().any(|name| line["function"] == *name);
        let lengths: Vec<usize> = lines.iter().filter(of).map(|line| line.to_string().len()).collect();
        lengths.iter().sum::<usize>() as f64 / lengths.len() as f64
    };
    mean(&["POST /api/sendMessage"]) + mean(&["processQueue", "processTopic"])
}

fn printed(direct: &Taken, room: &Taken, logged: f64) -> String {
    let mut table = "calls of one message\n".to_owned();
    for (kind, taken) in [("direct", direct), ("room", room)] {
        let requests = ("requests to the tables", taken.requests);
        let calls = taken.calls.iter().map(|(call, count)| (call.as_str(), *count));
        for (call, count) in calls.chain([requests]) {
            let _ = writeln!(table, "  {kind:8}{call:32}{:6.2}", count as f64 / MESSAGES as f64);
        }
        let _ = writeln!(table, "  {kind:8}{:32}{:6}", "bytes of a frame", taken.frame);
    }
    let _ = writeln!(table, "modelled dollars per million messages, each alone in its batch");
    let _ = writeln!(
        table,
        "  direct, the receiver at one socket  {:6.2}\n  and the sender at another one       {:6.2}",
        direct.dollars_per_million(1.0),
        direct.dollars_per_million(2.0)
    );
    for members in [2.0, 10.0, 100.0] {
        let dollars = room.dollars_per_million(members);
        let _ = writeln!(table, "  room of {members:3} at one socket each     {dollars:6.2}");
    }
    let dollars = logged * LOGGED_BYTE;
    let _ = writeln!(
        table,
        "  and the two log lines of each, {logged:.0} bytes, where all are kept  {dollars:.2}"
    );
    table
}
