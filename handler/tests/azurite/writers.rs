//! Many processes on one log, each an adapter of its own: what only optimistic concurrency keeps in order.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use handler::adapters::azure::table::TableLog;
use handler::contract::data::{conversation, marked, message_by};
use handler::model::{Change, Entry};
use handler::ports::{Log, Outcome};

use crate::azurite::prefix;
use crate::real_product::PATIENCE;
use crate::tables::tables;

const WRITERS: usize = 8;
const APPENDS: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_is_one_request_and_carries_the_mark_of_the_one_before() {
    let prefix = prefix();
    let (tea, tables) = (conversation("tea"), tables(&prefix));
    let log = TableLog::new(&tables);
    log.open(&tea).await.unwrap();
    let before = tables.requests();
    for seq in 1..=20 {
        log.append(&tea, vec![marked(&tea, &seq.to_string(), message_by("ann", "m", "x"))]).await.unwrap();
        log.mark_sent(&tea, seq).await.unwrap();
    }
    let requests = tables.requests() - before;
    // On a machine that stands still for a while, a mark goes by itself.
    assert!((20..=25).contains(&requests), "{requests} for 20 appends");
    let another = TableLog::new(&crate::tables::tables(&prefix));
    let sent = async || another.head(&tea).await.unwrap().unwrap().sent;
    assert!(sent().await >= 19, "each append carried the mark before it");
    let all = async {
        while sent().await < 20 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, all).await.is_ok(), "the last one goes by itself");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_writers_leave_neither_gap_nor_double() {
    let prefix = prefix();
    let tea = conversation("tea");
    let open = || TableLog::new(&tables(&prefix));
    open().open(&tea).await.unwrap();
    let writers = (0..WRITERS).map(|writer| {
        let (log, tea) = (open(), tea.clone());
        tokio::spawn(async move {
            let mut doubles = 0;
            for n in 0..APPENDS {
                // Each also repeats what its neighbour sends: one of the two is a duplicate, whoever comes first.
                let entries = [writer, (writer + 1) % WRITERS].map(|sender| {
                    let id = format!("{sender}-{n}");
                    marked(&tea, &id, message_by(&format!("user{sender}"), &id, "x"))
                });
                let outcomes = log.append(&tea, entries.to_vec()).await.unwrap();
                assert_eq!(outcomes.len(), 2);
                doubles += outcomes.iter().filter(|o| matches!(o, Outcome::Duplicate { .. })).count();
            }
            (doubles, log.conflicts())
        })
    });
    let (mut doubles, mut conflicts) = (0, 0);
    for writer in writers.collect::<Vec<_>>() {
        let (more_doubles, more_conflicts) = writer.await.unwrap();
        doubles += more_doubles;
        conflicts += more_conflicts;
    }
    println!("{WRITERS} writers, {APPENDS} appends each: {conflicts} conflicts");

    let log = open();
    let entries = log.entries(&tea, 0, usize::MAX).await.unwrap().unwrap().entries;
    assert_eq!(entries.len(), WRITERS * APPENDS, "each message once");
    assert_eq!(doubles, WRITERS * APPENDS, "each message was offered twice");
    assert!(entries.iter().zip(1..).all(|(entry, seq)| entry.seq == seq && entry.number == seq), "a gap");
    let ids: BTreeSet<_> = entries.iter().map(id).collect();
    assert_eq!(ids.len(), entries.len());
    let mut of_sender: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for entry in &entries {
        let id = id(entry);
        let (sender, n) = id.split_once('-').unwrap();
        of_sender.entry(sender.to_owned()).or_default().push(n.parse().unwrap());
    }
    assert!(of_sender.values().all(|ns| ns.len() == APPENDS));
    let head = log.head(&tea).await.unwrap().unwrap();
    assert_eq!((head.seq, head.count), (entries.len() as u64, entries.len() as u64));
}

fn id(entry: &Entry) -> String {
    match &entry.change {
        Change::Message(message) => message.id.to_string(),
        other => panic!("not a message: {other:?}"),
    }
}
