//! A member of all rooms who writes down what comes live, and connects anew when the hub falls away.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::senders::{connected, next_frame};
use crate::world::PATIENCE;

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
    /// The user `watcher`, who must be in the rooms already.
    pub(crate) async fn watch(base: &str) -> Self {
        let (book, base) = (Book::default(), base.to_owned());
        let (notes, http) = (Arc::clone(&book), reqwest::Client::builder().no_proxy().build().unwrap());
        let mut first = connected(&http, &base, "watcher").await;
        assert!(first.is_some(), "the watcher is not let in");
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
        let firsts = until(all).await;
        (*firsts.iter().min().unwrap(), *firsts.iter().max().unwrap())
    }

    pub(crate) async fn has(&self, room: &str, seqs: &BTreeSet<u64>) {
        let seen = || self.book.lock().unwrap().get(room).map(|seen| seen.seqs.clone());
        until(|| seen().is_some_and(|seen| seen.is_superset(seqs)).then_some(())).await;
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

fn note(book: &Book, data: &serde_json::Value) {
    let (Some(room), Some(seq)) = (data["room_id"].as_str(), data["seq"].as_u64()) else { return };
    let mut book = book.lock().unwrap();
    let seen = book.entry(room.to_owned()).or_default();
    seen.seqs.insert(seq);
    seen.frames.push(Instant::now());
}

/// Asks until there is an answer.
async fn until<T>(ask: impl Fn() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask() {
                return answer;
            }
            tokio::time::sleep(AGAIN).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("in time")
}
