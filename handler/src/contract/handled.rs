//! The contract of [`Handled`].

use std::sync::Arc;

use super::data::{at, odd_texts, user};
use crate::model::HandledEvent;
use crate::ports::Handled;

fn event(connection: &str, id: &str, who: Option<&str>, millis: u64) -> HandledEvent {
    HandledEvent { connection: connection.to_owned(), id: id.to_owned(), user: who.map(user), at: at(millis) }
}

pub async fn an_event_is_noted_once<H: Handled>(make: impl AsyncFn() -> H) {
    let handled = make().await;
    assert_eq!(handled.find("c", "1").await.unwrap(), None);
    let first = event("c", "1", Some("ann"), 5);
    for noted in [first.clone(), event("c", "1", None, 9), event("c", "2", None, 1), event("d", "1", None, 1)]
    {
        handled.note(&noted).await.unwrap();
    }
    assert_eq!(handled.find("c", "1").await.unwrap(), Some(first), "the first stays");
    assert_eq!(handled.find("c", "2").await.unwrap(), Some(event("c", "2", None, 1)));
    for (connection, id) in [("c", "3"), ("e", "1"), ("c1", ""), ("", "c1")] {
        assert_eq!(handled.find(connection, id).await.unwrap(), None, "{connection} {id}");
    }
}

pub async fn what_is_old_is_forgotten<H: Handled>(make: impl AsyncFn() -> H) {
    let handled = make().await;
    for n in 0..6 {
        handled.note(&event(if n % 2 == 0 { "even" } else { "odd" }, &n.to_string(), None, n)).await.unwrap();
    }
    assert_eq!(handled.forget(at(0), 9).await.unwrap(), 0);
    assert_eq!(handled.forget(at(4), 3).await.unwrap(), 3, "at most");
    assert_eq!(handled.forget(at(4), 3).await.unwrap(), 1);
    assert_eq!(handled.forget(at(4), 3).await.unwrap(), 0);
    assert!(handled.find("odd", "3").await.unwrap().is_none());
    assert!(handled.find("even", "4").await.unwrap().is_some(), "a time < the given");
    handled.note(&event("odd", "3", None, 9)).await.unwrap();
    assert!(handled.find("odd", "3").await.unwrap().is_some());
}

/// A copy that comes later neither keeps the first nor leaves anything by which a later one would go too early.
pub async fn a_repeat_is_forgotten_with_the_first<H: Handled>(make: impl AsyncFn() -> H) {
    let handled = make().await;
    for millis in [5, 9, 5] {
        handled.note(&event("c", "1", None, millis)).await.unwrap();
    }
    assert_eq!(handled.forget(at(6), 9).await.unwrap(), 1);
    assert_eq!(handled.find("c", "1").await.unwrap(), None);
    handled.note(&event("c", "1", None, 20)).await.unwrap();
    assert_eq!(handled.forget(at(15), 9).await.unwrap(), 0);
    assert!(handled.find("c", "1").await.unwrap().is_some());
}

/// More than one transaction or page takes, of one connection, of many, and of several days.
pub async fn many_are_forgotten_in_rounds<H: Handled + 'static>(make: impl AsyncFn() -> H) {
    const DAY: u64 = 86_400_000;
    let handled = Arc::new(make().await);
    let events = (0..150).map(|n| event("busy", &n.to_string(), None, n));
    let others = (0..60).map(|n| event(&n.to_string(), "0", None, DAY * (n % 3) + n));
    let noted = events.chain(others).map(|event| {
        let handled = Arc::clone(&handled);
        tokio::spawn(async move { handled.note(&event).await.unwrap() })
    });
    for noted in noted.collect::<Vec<_>>() {
        noted.await.unwrap();
    }
    let before = at(2 * DAY + 30);
    let mut rounds = Vec::new();
    while rounds.last().is_none_or(|forgotten| *forgotten == 120) {
        rounds.push(handled.forget(before, 120).await.unwrap());
    }
    // Of the third day those stay that are no older than the moment itself.
    assert_eq!(rounds, [120, 80], "200 of 210");
    for n in 0..60 {
        let is_there = handled.find(&n.to_string(), "0").await.unwrap().is_some();
        assert_eq!(is_there, n % 3 == 2 && n >= 30, "{n}");
    }
    assert!(handled.find("busy", "149").await.unwrap().is_none());
}

pub async fn one_of_two_racing_stays<H: Handled + 'static>(make: impl AsyncFn() -> H) {
    let handled = Arc::new(make().await);
    let racing: Vec<_> = (0..8)
        .map(|n| {
            let handled = Arc::clone(&handled);
            tokio::spawn(async move { handled.note(&event("c", "1", None, n)).await.unwrap() })
        })
        .collect();
    for raced in racing {
        raced.await.unwrap();
    }
    let first = handled.find("c", "1").await.unwrap().unwrap();
    handled.note(&event("c", "1", None, 99)).await.unwrap();
    assert_eq!(handled.find("c", "1").await.unwrap(), Some(first));
}

pub async fn odd_names_are_kept_apart<H: Handled>(make: impl AsyncFn() -> H) {
    let handled = make().await;
    let texts = odd_texts();
    for (n, text) in texts.iter().enumerate() {
        handled.note(&event(text, text, None, n as u64)).await.unwrap();
        let twin = &texts[(n + 1) % texts.len()];
        assert_eq!(handled.find(text, text).await.unwrap().unwrap().connection, *text);
        if twin != text {
            assert_eq!(handled.find(text, twin).await.unwrap(), None);
        }
    }
}

pub async fn everything_is_there_again<H: Handled>(make: impl AsyncFn() -> H) {
    let noted = event("c", "1", Some("ann"), 5);
    make().await.note(&noted).await.unwrap();
    let handled = make().await;
    assert_eq!(handled.find("c", "1").await.unwrap(), Some(noted));
    assert_eq!(handled.forget(at(6), 9).await.unwrap(), 1);
}
