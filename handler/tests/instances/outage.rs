//! What the app depends on is away while messages flow: the tables, the bus, the hub; silent at first, then gone.
//! `OUTAGE_SECONDS=60` makes each absence that long.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use funchost::Status;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::azurite::{Azurite, azurite, prefix};
use crate::deployed::Deployed;
use crate::instances::{are_gap_free, entries, over};
use crate::proxy::Fault;
use crate::senders::{Flow, over_http, over_socket};
use crate::watcher::Watcher;
use crate::world::{PATIENCE, World, are_numbered, sorted_texts, texts};

const ROOMS: usize = 8;
const PAIRS: usize = 12;
/// They wait for the log themselves.
const SOCKETS: usize = 2;
const PACE: Duration = Duration::from_millis(500);
/// A call of a silent service may go on for 5 s, and pauses between tries are of two at most; the rest is for machines that are
/// busy with other tests.
const RESUMED_WITHIN: Duration = Duration::from_secs(8);
/// Whoever asks for what only a silent service knows hears by then that they should come again.
const TOLD_WITHIN: Duration = Duration::from_secs(6);

#[tokio::test(flavor = "multi_thread")]
async fn while_the_tables_are_away_messages_wait() {
    let mut azurite = Azurite::start();
    let app = Deployed::start(&azurite, &prefix(), &[]).await;
    let traffic = Traffic::start(&app.world).await;

    azurite.signal("STOP");
    a_stranger_is_told_to_come_again(&app.world, &traffic.rooms[0]).await;
    absence().await;
    nothing_failed(&app.world);
    let back = Instant::now();
    azurite.signal("CONT");
    traffic.goes_on(&app.world, "tables that were silent", back).await;

    azurite.stop().await;
    a_stranger_is_told_to_come_again(&app.world, &traffic.rooms[0]).await;
    absence().await;
    nothing_failed(&app.world);
    tokio::task::block_in_place(|| azurite.start_again());
    let back = Instant::now();
    traffic.goes_on(&app.world, "tables that were gone", back).await;

    traffic.ends(&app.world, true).await;
    app.world.ends_well(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_bus_is_away_senders_are_told_to_come_again() {
    let app = Deployed::start(azurite(), &prefix(), &[]).await;
    let traffic = Traffic::start(&app.world).await;
    for (how, fault) in [
        ("a bus that refused", Fault::Busy),
        ("a bus that was silent", Fault::SilentBefore),
        ("a bus that was gone", Fault::ResetBefore),
    ] {
        let refusals = traffic.flow.refusals.load(Ordering::Relaxed);
        app.bus.fail_all(Some(fault));
        absence().await;
        // A silent one is waited for a while.
        let told = async || traffic.flow.refusals.load(Ordering::Relaxed) > refusals;
        app.world.until(told).await;
        let back = Instant::now();
        app.bus.fail_all(None);
        traffic.goes_on(&app.world, how, back).await;
    }
    assert!(traffic.flow.longest() <= TOLD_WITHIN, "{:?}", traffic.flow.longest());
    traffic.ends(&app.world, true).await;
    app.world.ends_well(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_hub_is_away_messages_are_stored_and_wait_to_be_heard() {
    let mut app = Deployed::start(azurite(), &prefix(), &[]).await;
    let traffic = Traffic::start(&app.world).await;

    app.hub.signal("STOP");
    absence().await;
    let back = Instant::now();
    app.hub.signal("CONT");
    traffic.goes_on(&app.world, "a hub that was silent", back).await;

    app.kill_hub();
    absence().await;
    nothing_failed(&app.world);
    tokio::task::block_in_place(|| app.start_hub_again());
    let back = Instant::now();
    traffic.goes_on(&app.world, "a hub that was gone", back).await;

    // Its clients missed what was said before they came back, which the log has.
    traffic.ends(&app.world, false).await;
    app.world.ends_well(0).await;
}

async fn absence() {
    tokio::time::sleep(outage()).await;
}

#[expect(clippy::disallowed_methods, reason = "whoever runs the test says how long")]
fn outage() -> Duration {
    let seconds = std::env::var("OUTAGE_SECONDS").ok().map_or(3, |seconds| seconds.parse().unwrap());
    Duration::from_secs(seconds)
}

/// Whether somebody who has not been here lately may send, only the tables know.
async fn a_stranger_is_told_to_come_again(world: &World, room: &str) {
    let began = Instant::now();
    let message = json!({ "SenderID": "stranger", "RoomID": room, "MessageText": "x" });
    let answer = world.client.post("/api/sendMessage", "stranger", &message).await;
    assert!(answer.status == 503 && answer.says_when, "{answer:?}");
    assert!(began.elapsed() <= TOLD_WITHIN, "{:?}", began.elapsed());
    println!("a sender of whom nothing is known was told to come again after {:?}", began.elapsed());
}

/// Long enough for what gathered meanwhile, also while more is sent.
async fn wait_for(world: &World, wanted: impl Fn(&Status) -> bool) {
    let reached = world.host.wait_for(PATIENCE + 2 * outage(), wanted).await;
    assert!(reached.is_ok(), "{reached:#?}");
}

/// Messages that were delivered.
fn delivered(status: &Status) -> usize {
    let of = |name: &str| status.functions.get(name).map_or(0, |function| function.successes);
    usize::try_from(of("processQueue") + of("processTopic")).unwrap()
}

/// Invocations wait; none has failed, so none has cost a delivery.
fn nothing_failed(world: &World) {
    let status = world.host.status();
    let failures: u64 =
        ["processQueue", "processTopic"].map(|name| status.functions[name].failures).iter().sum();
    assert_eq!(failures, 0, "{status:#?}");
}

/// Who sends, and who listens.
struct Traffic {
    rooms: Vec<String>,
    watcher: Watcher,
    flow: Arc<Flow>,
    /// By name, which tells where they send to.
    senders: Vec<(String, JoinHandle<Vec<String>>)>,
}

impl Traffic {
    async fn start(world: &World) -> Self {
        let mut rooms = Vec::new();
        for n in 0..ROOMS {
            rooms.push(world.room(&format!("owner{n}"), &format!("{} {n}", prefix())).await);
            world.join(&rooms[n], "watcher").await;
        }
        let watcher = Watcher::watch(world).await;
        let flow = Arc::new(Flow::new(PACE, usize::MAX, false));
        let senders = send(world, &rooms, &flow);
        watcher.hears_of(&rooms, Instant::now()).await;
        Self { rooms, watcher, flow, senders }
    }

    async fn goes_on(&self, world: &World, what: &str, back: Instant) {
        let status = world.host.status();
        let waiting: usize = status.entities.values().map(|entity| entity.messages).sum();
        let (first, last) = self.watcher.hears_of(&self.rooms, back).await;
        wait_for(world, |now| delivered(now) >= delivered(&status) + waiting).await;
        println!(
            "{what} for {:?}: delivery resumed in the first room after {:?}, in the last after {:?}; as many \
             messages as waited, {waiting}, were delivered after {:?}; until now {} refusals, longest answer over HTTP {:?}",
            outage(),
            first - back,
            last - back,
            back.elapsed(),
            self.flow.refusals.load(Ordering::Relaxed),
            self.flow.longest(),
        );
        nothing_failed(world);
        assert!(last - back <= RESUMED_WITHIN, "it took {:?}", last - back);
    }

    /// What was accepted is there, once and in order; and was heard, where nobody's connection broke.
    async fn ends(self, world: &World, is_heard: bool) {
        over(&self.flow);
        let mut sent = Vec::new();
        for (from, sending) in self.senders {
            sent.push((from, sending.await.unwrap()));
        }
        wait_for(world, Status::queues_are_empty).await;
        let of = |name: &str| sent.iter().find(|(from, _)| from == name).map(|(_, ids)| ids.clone());
        for (n, room) in self.rooms.iter().enumerate() {
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
            if is_heard {
                // Some frames may have come twice, none was left out.
                self.watcher.heard(&history).await;
            }
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
}

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
