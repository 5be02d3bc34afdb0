//! The contract of [`Queue`] and [`Deliveries`], for adapters that are both ends. They are made with a lock of [`LOCK`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::{advance, timeout};

use crate::ports::queue::MESSAGE_BYTES;
use crate::ports::{Deliveries, Delivery, Entity, Outgoing, Queue, QueueError};

/// How long a session's messages may be in hand.
pub const LOCK: Duration = Duration::from_secs(30);

/// The two ends of one queue. Whatever else keeps it open belongs to the ends.
pub struct Ends {
    pub queue: Arc<dyn Queue>,
    pub deliveries: Arc<dyn Deliveries>,
}

type Taken = Vec<Box<dyn Delivery>>;

#[must_use]
pub fn message(session: &str, id: &str) -> Outgoing {
    Outgoing {
        entity: Entity::Topic,
        message_id: id.to_owned(),
        session_id: session.to_owned(),
        body: Bytes::from(format!("body of {id}")),
        properties: BTreeMap::from([("room_id".to_owned(), session.to_owned())]),
    }
}

impl Ends {
    async fn send(&self, session: &str, ids: &[&str]) {
        for id in ids {
            self.queue.send(message(session, id)).await.unwrap();
        }
    }

    /// What can be had now.
    async fn take(&self, max: usize) -> Taken {
        timeout(Duration::from_millis(1), self.deliveries.receive(max)).await.unwrap()
    }

    async fn nothing_to_take(&self) -> bool {
        timeout(Duration::from_millis(1), self.deliveries.receive(1)).await.is_err()
    }
}

/// Ids and attempts.
fn seen(taken: &Taken) -> Vec<(&str, u32)> {
    taken.iter().map(|one| (one.message().message_id.as_deref().unwrap(), one.message().attempt)).collect()
}

async fn complete_all(taken: Taken) {
    for delivery in taken {
        delivery.complete().await.unwrap();
    }
}

pub async fn a_message_comes_as_it_was_sent(make: impl AsyncFn() -> Ends) {
    let ends = make().await;
    let everything: Vec<u8> = (0..=255).collect();
    let odd = [("d_\u{1f980}/..%2F", "=\"\n\0"), ("A", "a"), ("a", "A"), (" ", "")];
    for (session, id) in odd {
        for (entity, body) in [(Entity::Queue, Vec::new()), (Entity::Topic, everything.clone())] {
            let properties = BTreeMap::from([("traceparent".to_owned(), "00-é-\"'".to_owned())]);
            let mut sent = message(session, id);
            (sent.entity, sent.body, sent.properties) = (entity, body.into(), properties);
            ends.queue.send(sent.clone()).await.unwrap();
            let delivery = ends.take(1).await.remove(0);
            let got = delivery.message().clone();
            assert_eq!(got.entity, sent.entity);
            assert_eq!(got.session_id.as_deref(), Some(session));
            assert_eq!(got.message_id.as_deref(), Some(id));
            assert_eq!((got.body, got.properties), (sent.body, sent.properties));
            assert!(got.sequence_number.is_some());
            assert_eq!(got.attempt, 1);
            delivery.complete().await.unwrap();
        }
    }
}

pub async fn a_session_is_in_sending_order(make: impl AsyncFn() -> Ends) {
    let ends = make().await;
    ends.send("tea", &["1", "2"]).await;
    ends.send("ale", &["x"]).await;
    ends.send("tea", &["3", "4", "5"]).await;
    let first = ends.take(10).await;
    assert_eq!(seen(&first), [("1", 1), ("2", 1), ("3", 1), ("4", 1), ("5", 1)]);
    let numbers: Vec<_> = first.iter().map(|one| one.message().sequence_number.unwrap()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
}

pub async fn a_batch_is_of_one_session_and_at_most_max(make: impl AsyncFn() -> Ends) {
    let ends = make().await;
    ends.send("tea", &["1", "2", "3"]).await;
    ends.send("ale", &["x"]).await;
    let (tea, ale) = (ends.take(2).await, ends.take(2).await);
    assert_eq!((seen(&tea), seen(&ale)), (vec![("1", 1), ("2", 1)], vec![("x", 1)]));
    complete_all(tea).await;
    assert_eq!(seen(&ends.take(0).await), [("3", 1)], "never an empty list");
}

pub async fn a_session_has_one_holder(make: impl AsyncFn() -> Ends) {
    let ends = make().await;
    ends.send("tea", &["1", "2"]).await;
    let held = ends.take(1).await;
    ends.send("tea", &["3"]).await;
    assert!(ends.nothing_to_take().await);
    complete_all(held).await;
    assert_eq!(seen(&ends.take(5).await), [("2", 1), ("3", 1)]);
}

pub async fn a_held_session_holds_up_no_other(make: impl AsyncFn() -> Ends) {
    let ends = make().await;
    let mut held = Vec::new();
    for session in ["a", "b", "c", "d"] {
        ends.send(session, &["1", "2"]).await;
        held.push(ends.take(1).await);
    }
    let sessions: Vec<_> = held.iter().map(|taken| taken[0].message().session_id.clone().unwrap()).collect();
    assert_eq!(sessions, ["a", "b", "c", "d"]);
}

pub async fn sessions_take_turns(make: impl AsyncFn() -> Ends) {
    let ends = make().await;
    ends.send("loud", &["1", "2", "3", "4"]).await;
    ends.send("soft", &["x", "y"]).await;
    let mut order = Vec::new();
    for _ in 0..6 {
        let taken = ends.take(1).await;
        order.push(taken[0].message().message_id.clone().unwrap());
        complete_all(taken).await;
    }
    assert_eq!(order, ["1", "x", "2", "y", "3", "4"]);
}

pub async fn what_is_completed_never_comes_again(make: impl AsyncFn() -> Ends) {
    let ends = make().await;
    ends.send("tea", &["1", "2"]).await;
    complete_all(ends.take(2).await).await;
    advance(LOCK * 2).await;
    assert!(ends.nothing_to_take().await);
}

pub async fn what_is_abandoned_comes_again_after_its_delay(make: impl AsyncFn() -> Ends) {
    let ends = make().await;
    ends.send("tea", &["1", "2"]).await;
    ends.send("ale", &["x"]).await;
    ends.take(1).await.remove(0).abandon(Duration::from_secs(5)).await;
    let other = ends.take(1).await;
    assert_eq!(seen(&other), [("x", 1)], "other sessions go on");
    advance(Duration::from_millis(4_900)).await;
    assert!(ends.nothing_to_take().await, "what is behind it waits for it");
    advance(Duration::from_millis(100)).await;
    let again = ends.take(2).await;
    assert_eq!(seen(&again), [("1", 2), ("2", 1)]);
    again.into_iter().next().unwrap().abandon(Duration::ZERO).await;
    assert_eq!(seen(&ends.take(1).await), [("1", 3)]);
}

pub async fn abandoning_gives_back_what_is_behind(make: impl AsyncFn() -> Ends) {
    let ends = make().await;
    ends.send("tea", &["1", "2", "3"]).await;
    let mut taken = ends.take(3).await.into_iter();
    let (first, second, third) = (taken.next().unwrap(), taken.next().unwrap(), taken.next().unwrap());
    second.abandon(Duration::from_secs(1)).await;
    assert!(third.complete().await.is_err(), "it was given back");
    advance(Duration::from_secs(2)).await;
    assert!(ends.nothing_to_take().await, "the first is in hand still");
    first.complete().await.unwrap();
    let mut taken = ends.take(3).await;
    assert_eq!(seen(&taken), [("2", 2), ("3", 2)]);
    taken.remove(1).abandon(Duration::from_secs(5)).await;
    taken.remove(0).abandon(Duration::ZERO).await;
    assert!(ends.nothing_to_take().await, "the longest delay counts");
}

pub async fn dropping_is_abandoning(make: impl AsyncFn() -> Ends) {
    let ends = make().await;
    ends.send("tea", &["1", "2", "3"]).await;
    let mut taken = ends.take(3).await.into_iter();
    taken.next().unwrap().complete().await.unwrap();
    drop(taken);
    assert_eq!(seen(&ends.take(3).await), [("2", 2), ("3", 2)]);
}

pub async fn a_lock_ends(make: impl AsyncFn() -> Ends) {
    let ends = make().await;
    ends.send("tea", &["1", "2"]).await;
    let _asleep = ends.take(1).await;
    // A receiver that waits already learns of it without being told.
    let deliveries = ends.deliveries.clone();
    let waiting = tokio::spawn(async move { deliveries.receive(2).await });
    advance(LOCK - Duration::from_millis(1)).await;
    assert!(!waiting.is_finished());
    let taken = timeout(Duration::from_millis(2), waiting).await.unwrap().unwrap();
    assert_eq!(seen(&taken), [("1", 2), ("2", 1)]);
}

pub async fn a_lock_that_is_renewed_lasts(make: impl AsyncFn() -> Ends) {
    let ends = make().await;
    ends.send("tea", &["1", "2"]).await;
    let taken = ends.take(2).await;
    for _ in 0..5 {
        advance(LOCK - Duration::from_secs(1)).await;
        assert!(taken[0].renew().await);
        assert!(ends.nothing_to_take().await);
    }
    advance(LOCK).await;
    assert!(!taken[1].renew().await, "it was lost");
    let again = ends.take(2).await;
    assert_eq!(seen(&again), [("1", 2), ("2", 2)]);
    assert!(!taken[0].renew().await, "it is somebody else's now");
    complete_all(again).await;
}

pub async fn a_late_completion_is_an_error(make: impl AsyncFn() -> Ends) {
    let ends = make().await;
    ends.send("tea", &["1"]).await;
    let late = ends.take(1).await.remove(0);
    advance(LOCK).await;
    assert!(late.complete().await.is_err());
    let (again, other) = (ends.take(1).await, ends.nothing_to_take().await);
    assert_eq!((seen(&again), other), (vec![("1", 2)], true));
    advance(LOCK).await;
    let third = ends.take(1).await;
    drop(again);
    assert!(ends.nothing_to_take().await, "who lost the lock gives nothing back");
    complete_all(third).await;
    advance(LOCK).await;
    assert!(ends.nothing_to_take().await);
}

pub async fn a_batch_may_be_settled_in_any_order(make: impl AsyncFn() -> Ends) {
    let ends = make().await;
    ends.send("tea", &["1", "2", "3", "4"]).await;
    let mut taken = ends.take(3).await;
    taken.remove(2).complete().await.unwrap();
    taken.remove(0).complete().await.unwrap();
    assert!(ends.nothing_to_take().await, "one is in hand still");
    taken.remove(0).abandon(Duration::ZERO).await;
    assert_eq!(seen(&ends.take(5).await), [("2", 2), ("4", 1)]);
}

pub async fn receiving_waits_for_a_message(make: impl AsyncFn() -> Ends) {
    let ends = make().await;
    let mut waiting = JoinSet::new();
    for _ in 0..3 {
        let deliveries = ends.deliveries.clone();
        waiting.spawn(async move { deliveries.receive(1).await });
    }
    for session in ["a", "b", "c"] {
        ends.send(session, &["1"]).await;
    }
    // Each of them gets one: nobody sleeps while a session waits.
    let taken: Vec<Taken> = timeout(LOCK, waiting.join_all()).await.unwrap();
    assert_eq!(taken.len(), 3);
}

pub async fn a_dropped_receive_takes_nothing(make: impl AsyncFn() -> Ends) {
    let ends = make().await;
    for _ in 0..20 {
        assert!(ends.nothing_to_take().await);
    }
    let mut dropped = Box::pin(ends.deliveries.receive(1));
    assert!(futures_util::poll!(&mut dropped).is_pending());
    let deliveries = ends.deliveries.clone();
    let other = tokio::spawn(async move { deliveries.receive(1).await });
    tokio::task::yield_now().await;
    ends.send("tea", &["1"]).await;
    // Woken or not, it goes; the one that stays must get the message.
    drop(dropped);
    let taken = timeout(Duration::from_secs(1), other).await.unwrap().unwrap();
    assert_eq!(seen(&taken), [("1", 1)]);
}

pub async fn a_dropped_send_is_whole_or_not_at_all(make: impl AsyncFn() -> Ends) {
    let ends = make().await;
    for id in ["1", "2", "3", "4", "5", "6"] {
        let mut send = Box::pin(ends.queue.send(message("tea", id)));
        // Polled once and then forgotten: the message may be there or not.
        let _ = futures_util::poll!(&mut send);
    }
    ends.send("tea", &["last"]).await;
    let taken = ends.take(10).await;
    let ids: Vec<_> = seen(&taken).into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids.last(), Some(&"last"));
    assert!(ids.is_sorted(), "{ids:?}");
}

pub async fn too_large_is_refused(make: impl AsyncFn() -> Ends) {
    let ends = make().await;
    let mut large = message("s", "i");
    (large.body, large.properties) = (Bytes::from(vec![b'x'; MESSAGE_BYTES - 2]), BTreeMap::new());
    ends.queue.send(large.clone()).await.unwrap();
    assert_eq!(ends.take(1).await[0].message().body, large.body);
    large.body = Bytes::from(vec![b'x'; MESSAGE_BYTES - 1]);
    let refused = ends.queue.send(large).await;
    assert!(matches!(refused, Err(QueueError::TooLarge { limit: MESSAGE_BYTES })));
    ends.queue.check().await.unwrap();
}

pub async fn nothing_is_lost_doubled_or_turned_around_under_load(make: impl AsyncFn() -> Ends) {
    const SENDERS: usize = 8;
    const EACH: usize = 60;
    let ends = make().await;
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        let queue = ends.queue.clone();
        senders.spawn(async move {
            for number in 0..EACH {
                // Two senders to a session.
                let id = format!("{sender} {number:03}");
                queue.send(message(&format!("room{}", sender / 2), &id)).await.unwrap();
            }
        });
    }
    let mut got: Vec<String> = Vec::new();
    while got.len() < SENDERS * EACH {
        let taken = ends.deliveries.receive(7).await;
        assert!(taken.iter().all(|one| one.message().attempt == 1));
        got.extend(taken.iter().map(|one| one.message().message_id.clone().unwrap()));
        complete_all(taken).await;
    }
    senders.join_all().await;
    assert!(ends.nothing_to_take().await);
    for sender in 0..SENDERS {
        let own: Vec<_> = got.iter().filter(|id| id.starts_with(&format!("{sender} "))).collect();
        assert_eq!(own.len(), EACH);
        assert!(own.is_sorted_by(|a, b| a < b), "{own:?}");
    }
}

pub async fn what_waits_is_there_again(make: impl AsyncFn() -> Ends) {
    let ends = make().await;
    ends.send("tea", &["1", "2", "3"]).await;
    ends.send("ale", &["x"]).await;
    ends.send("rum", &["y"]).await;
    ends.take(1).await.remove(0).abandon(Duration::from_secs(60)).await;
    ends.take(1).await.remove(0).complete().await.unwrap();
    let in_hand = ends.take(1).await;
    drop((ends, in_hand));

    let ends = make().await;
    let mut held = Vec::new();
    let mut ids = Vec::new();
    while let Ok(taken) = timeout(Duration::from_millis(1), ends.deliveries.receive(5)).await {
        ids.extend(seen(&taken).into_iter().map(|(id, _)| id.to_owned()));
        held.push(taken);
    }
    // What was settled just before the end may be as it was.
    ids.retain(|id| id != "x");
    assert_eq!(ids, ["1", "2", "3", "y"], "no lock or delay outlives the process");
}

pub async fn no_sequence_number_is_given_twice(make: impl AsyncFn() -> Ends) {
    let mut last = None;
    for id in ["1", "2", "3"] {
        let ends = make().await;
        ends.send("tea", &[id]).await;
        let mut taken = ends.take(5).await;
        let newest = taken.pop().unwrap();
        assert_eq!(newest.message().message_id.as_deref(), Some(id));
        assert!(newest.message().sequence_number > last);
        last = newest.message().sequence_number;
        newest.complete().await.unwrap();
        complete_all(taken).await;
    }
}
