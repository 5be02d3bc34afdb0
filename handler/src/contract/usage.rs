//! The contract of [`Usage`].

use std::sync::Arc;

use super::data::odd_texts;
use crate::model::{Timestamp, UsageCount, UsageReport, bounds};
use crate::ports::Usage;

fn report(instance: &str, at: u64, counts: usize) -> UsageReport {
    let count = |n: usize| UsageCount { key: format!("u{n:032x}"), epoch: at, total: u64::MAX - n as u64 };
    let counts = (0..counts).map(count).collect();
    UsageReport { instance: instance.to_owned(), at: Timestamp::from_millis(at), counts }
}

pub async fn the_last_word_of_each_counts<U: Usage>(make: impl AsyncFn() -> U) {
    let usage = make().await;
    assert_eq!(usage.all().await.unwrap(), []);
    for word in [report("b", 1, 3), report("a", 2, 1), report("b", 3, 2), report("b", 3, 2)] {
        usage.tell(&word).await.unwrap();
    }
    assert_eq!(usage.all().await.unwrap(), [report("a", 2, 1), report("b", 3, 2)], "by instance");
}

pub async fn who_is_forgotten_may_come_again<U: Usage>(make: impl AsyncFn() -> U) {
    let usage = make().await;
    usage.tell(&report("a", 1, 1)).await.unwrap();
    usage.tell(&report("b", 1, 1)).await.unwrap();
    usage.forget("a").await.unwrap();
    usage.forget("a").await.unwrap();
    usage.forget("never there").await.unwrap();
    assert_eq!(usage.all().await.unwrap(), [report("b", 1, 1)]);
    usage.tell(&report("a", 5, 1)).await.unwrap();
    assert_eq!(usage.all().await.unwrap(), [report("a", 5, 1), report("b", 1, 1)]);
}

pub async fn the_longest_and_the_emptiest_come_back_as_they_were<U: Usage>(make: impl AsyncFn() -> U) {
    let usage = make().await;
    let reports = [report("a", 7, bounds::USAGE_COUNTS), report("b", 0, 0)];
    for report in &reports {
        usage.tell(report).await.unwrap();
    }
    assert_eq!(usage.all().await.unwrap(), reports);
}

pub async fn all_tell_at_once<U: Usage + 'static>(make: impl AsyncFn() -> U) {
    let usage = Arc::new(make().await);
    let telling: Vec<_> = (0..16_u64)
        .map(|n| {
            let usage = Arc::clone(&usage);
            tokio::spawn(async move { usage.tell(&report(&format!("i{:02}", n / 2), 9, 2)).await.unwrap() })
        })
        .collect();
    for told in telling {
        told.await.unwrap();
    }
    let expected: Vec<_> = (0..8).map(|n| report(&format!("i{n:02}"), 9, 2)).collect();
    assert_eq!(usage.all().await.unwrap(), expected);
}

pub async fn odd_names_are_kept_apart<U: Usage>(make: impl AsyncFn() -> U) {
    let usage = make().await;
    let mut texts = odd_texts();
    texts.sort();
    texts.dedup();
    for text in &texts {
        usage.tell(&report(text, 1, 1)).await.unwrap();
    }
    let expected: Vec<_> = texts.iter().map(|text| report(text, 1, 1)).collect();
    assert_eq!(usage.all().await.unwrap(), expected);
}
