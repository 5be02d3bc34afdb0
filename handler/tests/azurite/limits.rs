//! A limit that several processes keep together, by what they tell each other through a table.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::azurite::{azurite, prefix};
use crate::real_product::{Product, call};

const PROCESSES: u64 = 3;
const RATE: u64 = 5;
const BURST: u64 = 5;
const HAMMERED: Duration = Duration::from_secs(8);

/// What decision 010 promises of so many seconds: the exchange is a second, and twice that with its calls is three.
fn bound(seconds: u64) -> u64 {
    RATE * seconds + PROCESSES * BURST + (PROCESSES - 1) * RATE * (3 + seconds.div_ceil(16))
}

#[test]
fn one_user_at_three_processes_stays_within_the_stated_error() {
    let prefix = prefix();
    let processes: Vec<_> = (0..PROCESSES)
        .map(|_| {
            let data = tempfile::tempdir().unwrap();
            let product = Product::alone(&[
                ("STORAGE_MODE", "table"),
                ("DATA_DIR", data.path().to_str().unwrap()),
                ("AZURE_STORAGE_CONNECTION_STRING", &azurite().connection),
                ("CHAT_TABLE_NAME", &prefix),
                ("RATE_LIMIT_USER", &format!("{RATE}/{BURST}")),
            ]);
            product.eventually("/api/readyz", |answer| answer.status == 200);
            (product, data)
        })
        .collect();
    let (accepted, refused) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let started = Instant::now();
    let hammering: Vec<_> = processes
        .iter()
        .map(|(product, _)| {
            let (http, accepted, refused) = (product.http, Arc::clone(&accepted), Arc::clone(&refused));
            std::thread::spawn(move || {
                let body = json!({"SenderID": "ann", "ReceiverID": "bob", "MessageText": "hi"}).to_string();
                while started.elapsed() < HAMMERED {
                    let json = [("content-type", "application/json")];
                    let answer = call(http, "POST", "/api/sendMessage", &json, body.as_bytes());
                    match answer.status {
                        200 => accepted.fetch_add(1, Ordering::Relaxed),
                        429 => {
                            assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
                            refused.fetch_add(1, Ordering::Relaxed)
                        }
                        other => panic!("{other}: {}", answer.text()),
                    };
                }
            })
        })
        .collect();
    for thread in hammering {
        thread.join().unwrap();
    }
    let seconds = started.elapsed().as_secs() + 1;
    let (accepted, refused) = (accepted.load(Ordering::Relaxed), refused.load(Ordering::Relaxed));
    let alone = PROCESSES * (BURST + RATE * seconds);
    println!(
        "in {seconds} s: {accepted} accepted, {refused} refused; bound {}, alone {alone}",
        bound(seconds)
    );
    assert!(accepted <= bound(seconds), "{accepted} of at most {}", bound(seconds));
    assert!(accepted >= RATE * (seconds - 2), "{accepted}: less than one process would accept");
    assert!(refused > 2 * accepted, "{refused}: it was not hammered");
}
