//! Hosts with one broker, one account and one hub between them, and what must hold in the rooms they share.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use funchost::{Broker, BrokerOptions};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::azurite::prefix;
use crate::kinds;
use crate::proxy::Proxy;
use crate::real_product::Product;
use crate::senders::{Flow, over_http, over_socket};
use crate::service::{free_port, hub, with_key};
use crate::watcher::Watcher;
use crate::world::{App, World, are_numbered, sorted_texts, texts};

pub(crate) const INSTANCES: usize = 3;
/// As many as instances: each of them gets the session of one.
const ROOMS: usize = 3;
/// MaxDeliveryCount of the deployment's templates: each kill costs what was in hand a delivery.
const MAX_DELIVERIES: u32 = 2_000;

/// What instances count of themselves, added up.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) conflicts: u64,
    pub(crate) retries: u64,
    pub(crate) duplicates: u64,
}

impl Figures {
    /// Also before an instance is killed, which forgets.
    pub(crate) async fn add(&mut self, world: &World) {
        let metrics = world.client.get("/api/metrics", "root").await.json;
        let count = |name: &str| metrics[name].as_u64().unwrap_or_default();
        self.conflicts += count("conflicts");
        self.retries += count("retries");
        self.duplicates += count("duplicates");
    }
}

/// A sender's task, and where it sends to.
struct Sender {
    from: String,
    place: Place,
    sent: JoinHandle<Vec<String>>,
}

enum Place {
    Room(usize),
    Direct(String),
}

pub(crate) struct Instances {
    pub(crate) worlds: Vec<World>,
    pub(crate) rooms: Vec<String>,
    /// Where all their clients are; its events go to one instance after the other.
    _hub: Product,
    watcher: Watcher,
    senders: Vec<Sender>,
}

impl Instances {
    pub(crate) async fn start() -> Self {
        let options = BrokerOptions { max_delivery_count: MAX_DELIVERIES, ..BrokerOptions::default() };
        let (broker, prefix) = (Broker::open(None, options).unwrap(), prefix());
        let fronts: Vec<u16> = (0..INSTANCES).map(|_| free_port()).collect();
        let events = Proxy::start(&fronts, kinds::of_bus).await;
        let hub = tokio::task::block_in_place(|| hub(events.port, ""));
        let mut worlds = Vec::new();
        for front in fronts {
            let app = App::new();
            // Else the first one would take all of them.
            app.edit("host.json", |host| {
                host["extensions"]["serviceBus"]["maxConcurrentSessions"] = json!(1);
            });
            let mut options = app.options();
            options.port = front;
            options.settings.set("TRANSPORT_MODE", "webpubsub");
            options.settings.set("WEBPUBSUB_CONNECTION_STRING", with_key(&hub));
            options.settings.set("CHAT_TABLE_NAME", &prefix);
            options.shared_broker = Some(broker.clone());
            options.max_handler_errors = u32::MAX;
            worlds.push(app.start_with(options).await);
        }
        let mut rooms = Vec::new();
        for n in 0..ROOMS {
            rooms.push(worlds[n % INSTANCES].room("ann", &format!("Room {n}")).await);
            worlds[0].join(&rooms[n], "watcher").await;
        }
        let watcher = Watcher::watch(&worlds[0]).await;
        Self { worlds, rooms, _hub: hub, watcher, senders: Vec::new() }
    }

    /// At each instance, to each room: one over HTTP, one over a socket; and one to a person.
    pub(crate) fn send(&mut self, flow: &Arc<Flow>) {
        for at in 0..INSTANCES {
            for n in 0..ROOMS {
                self.add(format!("http{at}{n}"), at, Place::Room(n), flow);
                self.add(format!("sock{at}{n}"), at, Place::Room(n), flow);
            }
            self.add(format!("from{at}"), at, Place::Direct(format!("to{at}")), flow);
        }
    }

    fn add(&mut self, from: String, at: usize, place: Place, flow: &Arc<Flow>) {
        let (base, flow, name) = (self.worlds[at].host.url(), Arc::clone(flow), from.clone());
        let to = match &place {
            Place::Room(n) => ("RoomID", self.rooms[*n].clone()),
            Place::Direct(to) => ("ReceiverID", to.clone()),
        };
        let sent = tokio::spawn(async move {
            if name.starts_with("sock") {
                over_socket(&base, &name, &to.1, &flow).await
            } else {
                over_http(&base, &name, (to.0, &to.1), &flow).await
            }
        });
        self.senders.push(Sender { from, place, sent });
    }

    /// Once all have sent: each message is in its log once, in its sender's order, at each instance, and its room has heard
    /// it. How many there were.
    pub(crate) async fn are_complete(&mut self) -> usize {
        let mut sent = Vec::new();
        for sender in std::mem::take(&mut self.senders) {
            sent.push((sender.from, sender.place, sender.sent.await.unwrap()));
        }
        for room in &self.rooms {
            // What an instance left behind that died goes out with the next message.
            let last = json!({ "SenderID": "last", "RoomID": room, "MessageText": "x" });
            self.worlds[0].send(&last).await;
        }
        self.worlds[0].settled().await;
        let mut histories = Vec::new();
        for room in &self.rooms {
            let history = self.worlds[0].room_history(room).await;
            for world in &self.worlds {
                assert_eq!(world.room_history(room).await, history, "the same everywhere");
            }
            assert!(are_numbered(&history), "{history:?}");
            are_gap_free(&entries(&self.worlds[0], room).await);
            let of_room: usize = sent
                .iter()
                .filter(|(_, place, _)| matches!(place, Place::Room(n) if self.rooms[*n] == *room))
                .map(|(_, _, ids)| ids.len())
                .sum();
            assert_eq!(history.len(), of_room + 1, "each once");
            self.watcher.heard(&history).await;
            histories.push(history);
        }
        for (from, place, ids) in &sent {
            match place {
                Place::Room(n) => {
                    let own = histories[*n].iter().filter(|message| message["sender"] == from.as_str());
                    let own: Vec<Value> = own.cloned().collect();
                    assert_eq!(texts(&own, "id"), *ids, "{from}'s");
                }
                Place::Direct(to) => {
                    let direct = self.worlds[0].direct_history(to, from).await;
                    assert!(are_numbered(&direct), "{direct:?}");
                    assert_eq!(texts(&direct, "id"), *ids, "{from}'s");
                    let mut ids = ids.clone();
                    ids.sort();
                    assert_eq!(sorted_texts(&self.worlds[0].inbox(to).await, "id"), ids, "{to}'s inbox");
                }
            }
        }
        assert!(self.worlds[0].dead().await.is_empty() && self.worlds[0].rejected().await.is_empty());
        sent.iter().map(|(_, _, ids)| ids.len()).sum()
    }

    /// Each started anew as often as it was killed, and no more.
    pub(crate) async fn end(self, kills: [u64; INSTANCES]) {
        for (world, kills) in self.worlds.into_iter().zip(kills) {
            world.ends_well(kills).await;
        }
    }
}

/// The whole log of a room.
pub(crate) async fn entries(world: &World, room: &str) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    loop {
        let after = all.last().map_or(0, |entry| entry["seq"].as_u64().unwrap());
        let answer = world.client.post("/api/sync", "root", &json!({ "cursors": { room: after } })).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let page = answer.json["conversations"][room]["entries"].as_array();
        match page {
            Some(page) if !page.is_empty() => all.extend(page.iter().cloned()),
            _ => return all,
        }
    }
}

pub(crate) fn are_gap_free(entries: &[Value]) {
    let seqs: Vec<u64> = entries.iter().map(|entry| entry["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=entries.len() as u64).collect::<Vec<_>>(), "a gap");
    let messages = entries.iter().filter(|entry| entry["type"] == "message");
    let distinct: BTreeSet<String> = messages.clone().map(|entry| entry["id"].to_string()).collect();
    assert_eq!(distinct.len(), messages.count(), "a double");
}

pub(crate) fn over(flow: &Flow) {
    flow.is_over.store(true, Ordering::Relaxed);
}
