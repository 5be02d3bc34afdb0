//! A member of all rooms who writes down what comes live, and connects anew when the hub falls away.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::senders::{connected, next_frame, until_frame};
use crate::world::{PATIENCE, World};

/// Between two tries to connect, and between two looks.
const AGAIN: Duration = Duration::from_millis(20);

/// By room.
type Book = Arc<Mutex<BTreeMap<String, Seen>>>;

#[derive(Default)]
struct Seen {
    seqs: BTreeSet<u64>,
    frames: Vec<Instant>,
}

pub(crate) struct Watcher {
    book: Book,
    watching: JoinHandle<()>,
}

impl Watcher {
    /// The user `watcher`, who must be in the rooms already. From here on the app has nothing left to ask about the
    /// connection: one whose memberships it cannot confirm, it closes.
    pub(crate) async fn watch(world: &World) -> Self {
        let waiting = json!({ "SenderID": "herald", "ReceiverID": "watcher", "MessageText": "x" });
        world.send(&waiting).await;
        world.settled().await;
        let (book, base) = (Book::default(), world.host.url());
        let (notes, http) = (Arc::clone(&book), reqwest::Client::builder().no_proxy().build().unwrap());
        let mut stream = connected(&http, &base, "watcher").await.expect("the watcher is let in");
        // What waits is handed over behind all else.
        let inbox = until_frame(&mut stream, |frame| frame["data"]["type"] == "inbox").await;
        assert!(inbox.is_some(), "the watcher's connection is closed");
        let mut first = Some(stream);
        let watching = tokio::spawn(async move {
            loop {
                match first.take() {
                    Some(mut stream) => {
                        while let Some(frame) = next_frame(&mut stream).await {
                            note(&notes, &frame["data"]);
                        }
                    }
                    None => tokio::time::sleep(AGAIN).await,
                }
                first = connected(&http, &base, "watcher").await;
            }
        });
        Self { book, watching }
    }

    /// When something of each room came first since a moment: of the first room and of the last.
    pub(crate) async fn hears_of(&self, rooms: &[String], since: Instant) -> (Instant, Instant) {
        let first_of = |room: &String| {
            self.book.lock().unwrap().get(room)?.frames.iter().copied().find(|moment| *moment >= since)
        };
        let all = || rooms.iter().map(first_of).collect::<Option<Vec<_>>>();
        let firsts = tokio::time::timeout(PATIENCE, until(all)).await.expect("in time");
        (*firsts.iter().min().unwrap(), *firsts.iter().max().unwrap())
    }

    /// All messages of a room's history came live.
    pub(crate) async fn heard(&self, history: &[Value]) {
        let missing = || {
            let book = self.book.lock().unwrap();
            let came = |message: &&Value| {
                let seen = book.get(message["room_id"].as_str().unwrap());
                seen.is_some_and(|seen| seen.seqs.contains(&message["seq"].as_u64().unwrap()))
            };
            history.iter().filter(|message| !came(message)).cloned().collect::<Vec<_>>()
        };
        let all = until(|| missing().is_empty().then_some(()));
        let ended = tokio::time::timeout(PATIENCE, all).await;
        assert!(ended.is_ok(), "never heard: {:#?}", missing());
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

fn note(book: &Book, data: &Value) {
    let (Some(room), Some(seq)) = (data["room_id"].as_str(), data["seq"].as_u64()) else { return };
    let mut book = book.lock().unwrap();
    let seen = book.entry(room.to_owned()).or_default();
    seen.seqs.insert(seq);
    seen.frames.push(Instant::now());
}

/// Asks until there is an answer.
async fn until<T>(ask: impl Fn() -> Option<T>) -> T {
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        tokio::time::sleep(AGAIN).await;
    }
}
