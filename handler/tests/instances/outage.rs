//! The tables are away while messages flow: first they do not answer, then nobody listens. `OUTAGE_SECONDS` makes both
//! longer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::azurite::{Azurite, prefix};
use crate::client::Socket;
use crate::instances::{are_gap_free, entries, over};
use crate::senders::{Flow, over_http, over_socket};
use crate::world::{App, PATIENCE, World, are_numbered, sorted_texts, texts};

const ROOMS: usize = 8;
const PAIRS: usize = 12;
/// They wait for the log themselves.
const SOCKETS: usize = 2;
const PACE: Duration = Duration::from_millis(500);
/// A pause between tries is at most half a second; the rest is for machines that are busy with other tests.
const RESUMED_WITHIN: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_waits_for_the_tables_and_arrives_once_and_in_order() {
    let mut azurite = Azurite::start();
    let world = start(&azurite).await;
    let mut rooms = Vec::new();
    for n in 0..ROOMS {
        rooms.push(world.room(&format!("owner{n}"), &format!("Room {n}")).await);
        world.join(&rooms[n], "watcher").await;
    }
    let watcher = Watcher::watch(world.client.connect("watcher").await);
    let flow = Arc::new(Flow::new(PACE, usize::MAX, false));
    let senders = send(&world, &rooms, &flow);
    watcher.hears_of(&rooms, Instant::now()).await;

    azurite.signal("STOP");
    tokio::time::sleep(outage()).await;
    nothing_failed(&world);
    let back = Instant::now();
    azurite.signal("CONT");
    recovered("did not answer", &world, &watcher, &rooms, back, &flow).await;

    azurite.stop().await;
    a_stranger_is_told_to_come_again(&world, &rooms[0]).await;
    tokio::time::sleep(outage()).await;
    nothing_failed(&world);
    tokio::task::block_in_place(|| azurite.start_again());
    let back = Instant::now();
    recovered("were gone", &world, &watcher, &rooms, back, &flow).await;

    over(&flow);
    let mut sent = Vec::new();
    for (from, sending) in senders {
        sent.push((from, sending.await.unwrap()));
    }
    world.settled().await;
    nothing_failed(&world);
    are_complete(&world, &rooms, &sent, &watcher).await;
    world.ends_well(0).await;
}

#[expect(clippy::disallowed_methods, reason = "whoever runs the test says how long")]
fn outage() -> Duration {
    let seconds = std::env::var("OUTAGE_SECONDS").ok().map_or(10, |seconds| seconds.parse().unwrap());
    Duration::from_secs(seconds)
}

async fn start(azurite: &Azurite) -> World {
    let app = App::new();
    let mut options = app.options();
    options.settings.set("STORAGE_MODE", "table");
    options.settings.set("AZURE_STORAGE_CONNECTION_STRING", &azurite.connection);
    options.settings.set("CHAT_TABLE_NAME", prefix());
    app.start_with(options).await
}

/// Senders by name; the name tells where they send to.
fn send(world: &World, rooms: &[String], flow: &Arc<Flow>) -> Vec<(String, JoinHandle<Vec<String>>)> {
    let mut senders = Vec::new();
    for n in 0..ROOMS + PAIRS + SOCKETS {
        let (base, flow) = (world.host.url(), Arc::clone(flow));
        let (kind, n) = match n {
            n if n < ROOMS => ("room", n),
            n if n < ROOMS + PAIRS => ("pair", n - ROOMS),
            n => ("sock", n - ROOMS - PAIRS),
        };
        let (from, room) = (format!("{kind}{n}"), rooms.get(n).cloned());
        let name = from.clone();
        let sending = tokio::spawn(async move {
            match kind {
                "room" => over_http(&base, &name, ("RoomID", &room.unwrap()), &flow).await,
                "pair" => over_http(&base, &name, ("ReceiverID", &format!("to-{name}")), &flow).await,
                _ => over_socket(&base, &name, &room.unwrap(), &flow).await,
            }
        });
        senders.push((from, sending));
    }
    senders
}

/// Whether somebody who has not been here lately may send, only the tables know.
async fn a_stranger_is_told_to_come_again(world: &World, room: &str) {
    let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    let message = json!({ "SenderID": "stranger", "RoomID": room, "MessageText": "x" });
    let request = http.post(format!("{}/api/sendMessage", world.host.url())).body(message.to_string());
    let request = request.header("content-type", "application/json").header("x-user-id", "stranger");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"), "{answer:?}");
}

/// Invocations wait; none has failed, so none has cost a delivery.
fn nothing_failed(world: &World) {
    let status = world.host.status();
    let failures: u64 =
        ["processQueue", "processTopic"].map(|name| status.functions[name].failures).iter().sum();
    assert_eq!(failures, 0, "{status:#?}");
}

async fn recovered(
    how: &str,
    world: &World,
    watcher: &Watcher,
    rooms: &[String],
    back: Instant,
    flow: &Flow,
) {
    let waiting: usize = world.host.status().entities.values().map(|entity| entity.messages).sum();
    let (first, last) = watcher.hears_of(rooms, back).await;
    world.settled().await;
    println!(
        "tables that {how} for {:?}: delivery resumed in the first room after {:?}, in the last after {:?}; {waiting} waiting \
         messages were delivered after {:?}; until now {} refusals, longest answer over HTTP {:?}",
        outage(),
        first - back,
        last - back,
        back.elapsed(),
        flow.refusals.load(Ordering::Relaxed),
        flow.longest(),
    );
    assert!(last - back <= RESUMED_WITHIN, "it took {:?}", last - back);
}

async fn are_complete(world: &World, rooms: &[String], sent: &[(String, Vec<String>)], watcher: &Watcher) {
    let of = |name: &str| sent.iter().find(|(from, _)| from == name).map(|(_, ids)| ids.clone());
    for (n, room) in rooms.iter().enumerate() {
        let history = world.room_history(room).await;
        assert!(are_numbered(&history), "{history:?}");
        let mut count = 0;
        for name in [format!("room{n}"), format!("sock{n}")] {
            let Some(ids) = of(&name) else { continue };
            let own = history.iter().filter(|message| message["sender"] == name.as_str()).cloned();
            assert_eq!(texts(&own.collect::<Vec<_>>(), "id"), ids, "{name}'s");
            count += ids.len();
        }
        assert_eq!(history.len(), count);
        are_gap_free(&entries(world, room).await);
        // Some frames may have come twice, none was left out.
        let seqs = history.iter().map(|message| message["seq"].as_u64().unwrap()).collect();
        watcher.has(room, &seqs).await;
    }
    for n in 0..PAIRS {
        let (from, to) = (format!("pair{n}"), format!("to-pair{n}"));
        let history = world.direct_history(&to, &from).await;
        let mut ids = of(&from).unwrap();
        assert!(are_numbered(&history), "{history:?}");
        assert_eq!(texts(&history, "id"), ids, "{from}'s");
        ids.sort();
        assert_eq!(sorted_texts(&world.inbox(&to).await, "id"), ids, "{to}'s inbox");
    }
    assert!(world.dead().await.is_empty() && world.rejected().await.is_empty());
}

/// What a member saw live, by room.
struct Watcher(Arc<Mutex<BTreeMap<String, Seen>>>);

#[derive(Default)]
struct Seen {
    seqs: BTreeSet<u64>,
    frames: Vec<Instant>,
}

impl Watcher {
    fn watch(mut socket: Socket) -> Self {
        let seen: Arc<Mutex<BTreeMap<String, Seen>>> = Arc::default();
        let sees = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Some(message) = socket.next_message().await {
                let mut seen = sees.lock().unwrap();
                let room = seen.entry(message["room_id"].as_str().unwrap().to_owned()).or_default();
                room.seqs.insert(message["seq"].as_u64().unwrap());
                room.frames.push(Instant::now());
            }
        });
        Self(seen)
    }

    /// When something of each room came first since a moment: of the first room and of the last.
    async fn hears_of(&self, rooms: &[String], since: Instant) -> (Instant, Instant) {
        let first_of = |room: &String| {
            self.0.lock().unwrap().get(room)?.frames.iter().copied().find(|moment| *moment >= since)
        };
        let all = || rooms.iter().map(first_of).collect::<Option<Vec<_>>>();
        let firsts = until(all).await;
        (*firsts.iter().min().unwrap(), *firsts.iter().max().unwrap())
    }

    async fn has(&self, room: &str, seqs: &BTreeSet<u64>) {
        let seen = || self.0.lock().unwrap().get(room).map(|seen| seen.seqs.clone());
        until(|| seen().is_some_and(|seen| seen.is_superset(seqs)).then_some(())).await;
    }
}

/// Asks until there is an answer.
async fn until<T>(ask: impl Fn() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask() {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("in time")
}
