use std::time::Duration;

use super::*;
use crate::contract::queue::{Ends, LOCK, message};

const LIMITS: Limits = Limits { lock: LOCK, ..Limits::FILE };

/// Time stands still in these tests, but a predecessor needs a moment to free the file's lock.
async fn open(dir: &Path, limits: Limits) -> FileQueue {
    tokio::time::resume();
    let queue = FileQueue::open(dir.join("queue.redb"), limits).await.unwrap();
    tokio::time::pause();
    queue
}

async fn ends(dir: &Path) -> Ends {
    let queue = Arc::new(open(dir, LIMITS).await);
    Ends { queue: queue.clone(), deliveries: queue }
}

crate::contract_suite!(queue, |dir| ends(dir).await);

async fn take(queue: &FileQueue) -> Vec<Box<dyn Delivery>> {
    tokio::time::timeout(Duration::from_millis(1), queue.receive(10)).await.unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn what_is_settled_outlives_a_clean_end() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path(), LIMITS).await;
    for id in ["done", "abandoned"] {
        queue.send(message("tea", id)).await.unwrap();
    }
    let mut taken = take(&queue).await.into_iter();
    taken.next().unwrap().complete().await.unwrap();
    taken.next().unwrap().abandon(Duration::ZERO).await;
    drop(take(&queue).await);
    assert_eq!(queue.counts(), Counts { depth: 1, sessions: 1 });
    queue.close().await.unwrap();
    assert!(queue.send(message("tea", "late")).await.is_err());

    let queue = open(dir.path(), LIMITS).await;
    assert_eq!(queue.counts(), Counts { depth: 1, sessions: 1 });
    let taken = take(&queue).await;
    let message = taken[0].message();
    assert_eq!((message.message_id.as_deref(), message.attempt), (Some("abandoned"), 3));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_until_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { max_messages: 2, ..LIMITS };
    let queue = open(dir.path(), limits).await;
    queue.send(message("tea", "1")).await.unwrap();
    queue.send(message("ale", "2")).await.unwrap();
    for _ in 0..2 {
        let refused = queue.send(message("rum", "3")).await;
        assert!(matches!(refused, Err(QueueError::Unavailable { retry_after: Some(_), .. })));
    }
    assert!(queue.check().await.is_err());
    queue.close().await.unwrap();
    drop(queue);

    let queue = open(dir.path(), limits).await;
    assert!(queue.send(message("rum", "3")).await.is_err(), "what was there before counts");
    take(&queue).await.remove(0).complete().await.unwrap();
    queue.check().await.unwrap();
    queue.send(message("rum", "3")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn room_is_counted_in_bytes_too() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path(), Limits { max_bytes: 1_000, ..LIMITS }).await;
    let mut large = message("tea", "1");
    large.body = vec![0; 800].into();
    queue.send(large.clone()).await.unwrap();
    assert!(queue.send(large.clone()).await.is_err());
    take(&queue).await.remove(0).complete().await.unwrap();
    queue.send(large).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_row_that_cannot_be_read_is_put_aside_with_its_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { max_messages: 3, ..LIMITS };
    let queue = open(dir.path(), limits).await;
    queue.send(message("tea", "1")).await.unwrap();
    let broken_header = {
        let mut row = row::encode(&message("tea", "2")).unwrap();
        row[12] = b'!';
        row
    };
    let broken = [vec![], vec![9, 9], broken_header];
    for row in broken.clone() {
        let append = move |txn: &redb::WriteTransaction| tables::append(txn, &row);
        queue.shared.engine.write(append).await.unwrap();
    }
    queue.send(message("tea", "3")).await.unwrap();
    queue.close().await.unwrap();

    let queue = open(dir.path(), limits).await;
    assert_eq!((queue.counts(), queue.unreadable()), (Counts { depth: 3, sessions: 1 }, 2));
    let taken = take(&queue).await;
    let ids: Vec<_> = taken.iter().map(|one| one.message().message_id.clone().unwrap()).collect();
    assert_eq!(ids, ["1", "3"]);
    assert_eq!((queue.counts(), queue.unreadable()), (Counts { depth: 2, sessions: 1 }, 3));
    queue.send(message("tea", "4")).await.unwrap();
    assert!(queue.send(message("tea", "5")).await.is_err(), "only what can be delivered takes room");
    drop(taken);
    queue.close().await.unwrap();
    drop(queue);

    let queue = open(dir.path(), limits).await;
    assert_eq!((queue.counts(), queue.unreadable()), (Counts { depth: 3, sessions: 1 }, 3), "they stay");
    let rows = queue.shared.engine.read(tables::all_unreadable).unwrap();
    assert!(rows.len() == 3 && rows.iter().zip(&broken).all(|(row, broken)| row.ends_with(broken)));
}

#[tokio::test]
async fn completed_messages_leave_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let queue = FileQueue::open(dir.path().join("queue.redb"), LIMITS).await.unwrap();
    for number in 0..50 {
        queue.send(message("tea", &number.to_string())).await.unwrap();
    }
    for delivery in queue.receive(50).await {
        delivery.complete().await.unwrap();
    }
    let rows = || {
        let mut count = 0;
        queue.shared.engine.read(|txn| tables::each_message(txn, |_, _, _| count += 1)).unwrap();
        count
    };
    // Nobody asks for it: the queue does it by itself.
    let emptied = async {
        while rows() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), emptied).await.unwrap();
}

/// A first delivery is written nowhere, and what it began may be half done.
#[tokio::test(start_paused = true)]
async fn what_was_handed_out_before_a_restart_is_not_new() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path(), LIMITS).await;
    queue.send(message("tea", "1")).await.unwrap();
    let taken = take(&queue).await;
    assert_eq!(taken[0].message().attempt, 1);
    drop((taken, queue));
    let queue = open(dir.path(), LIMITS).await;
    assert_eq!(take(&queue).await[0].message().attempt, 2);
}
