//! The contract of [`Reviews`].

use super::data::{at, conversation, odd_texts, review, room_id, user};
use crate::model::{Decision, Desk, Matter, Report, Review, Ruling};
use crate::ports::Reviews;

fn tea() -> Desk {
    Desk::Room(room_id("tea"))
}

async fn ids(reviews: &impl Reviews, desk: &Desk) -> Vec<String> {
    reviews.list(desk, None, 99).await.unwrap().into_iter().map(|review| review.id).collect()
}

fn decided(review: &Review, applied: bool) -> Review {
    let decision = Decision { ruling: Ruling::Approve, by: user("mod"), at: at(9), reason: None, applied };
    Review { decision: Some(decision), ..review.clone() }
}

pub async fn a_review_is_opened_once<R: Reviews>(make: impl AsyncFn() -> R) {
    let reviews = make().await;
    let first = review(&tea(), "a", 1);
    assert_eq!(reviews.get(&tea(), "a").await.unwrap(), None);
    assert_eq!(reviews.open(&first).await.unwrap(), first);
    let other = Review { opened_at: at(5), conversation: conversation("other"), ..first.clone() };
    assert_eq!(reviews.open(&other).await.unwrap(), first, "the one that is there stays");
    assert_eq!(reviews.get(&tea(), "a").await.unwrap(), Some(first));
    assert_eq!(reviews.get(&Desk::Direct, "a").await.unwrap(), None);
    assert_eq!(ids(&reviews, &tea()).await, ["a"]);
}

pub async fn open_ones_are_listed_oldest_first_behind_the_cursor<R: Reviews>(make: impl AsyncFn() -> R) {
    let reviews = make().await;
    for (id, time) in [("late", 9), ("early", 1), ("b", 5), ("a", 5)] {
        reviews.open(&review(&tea(), id, time)).await.unwrap();
    }
    reviews.open(&review(&Desk::Room(room_id("te")), "z", 1)).await.unwrap();
    reviews.open(&review(&Desk::Room(room_id("teas")), "z", 1)).await.unwrap();
    reviews.open(&review(&Desk::Direct, "z", 1)).await.unwrap();
    assert_eq!(ids(&reviews, &tea()).await, ["early", "a", "b", "late"]);
    assert_eq!(ids(&reviews, &Desk::Direct).await, ["z"]);
    let behind = reviews.list(&tea(), Some((at(5), "a")), 1).await.unwrap();
    assert_eq!(behind, [review(&tea(), "b", 5)]);
    let gone = reviews.list(&tea(), Some((at(5), "ab")), 9).await.unwrap();
    assert_eq!(gone.len(), 2, "the cursor need not exist");
    assert!(reviews.list(&tea(), None, 0).await.unwrap().is_empty());
}

pub async fn one_of_two_changes_wins<R: Reviews>(make: impl AsyncFn() -> R) {
    let reviews = make().await;
    let first = review(&tea(), "a", 1);
    assert!(!reviews.update(&first).await.unwrap(), "it is not there");
    reviews.open(&first).await.unwrap();
    assert!(reviews.update(&decided(&first, false)).await.unwrap());
    assert!(!reviews.update(&decided(&first, true)).await.unwrap(), "made from an older revision");
    let there = reviews.get(&tea(), "a").await.unwrap().unwrap();
    assert_eq!(there, Review { revision: 1, ..decided(&first, false) });
    assert_eq!(reviews.open(&first).await.unwrap(), there);
    let (one, other) = (decided(&there, true), decided(&there, true));
    let (one, other) = tokio::join!(reviews.update(&one), reviews.update(&other));
    assert_eq!(u8::from(one.unwrap()) + u8::from(other.unwrap()), 1);
}

pub async fn what_is_done_is_listed_no_more<R: Reviews>(make: impl AsyncFn() -> R) {
    let reviews = make().await;
    let first = review(&tea(), "a", 1);
    reviews.open(&first).await.unwrap();
    reviews.update(&decided(&first, false)).await.unwrap();
    assert_eq!(ids(&reviews, &tea()).await, ["a"], "decided, and not done");
    let there = reviews.list(&tea(), None, 1).await.unwrap().remove(0);
    assert_eq!(there.revision, 1);
    reviews.update(&decided(&there, true)).await.unwrap();
    assert_eq!(ids(&reviews, &tea()).await, [""; 0]);
    assert_eq!(reviews.open(&first).await.unwrap().revision, 2, "and is not opened again");
    assert_eq!(ids(&reviews, &tea()).await, [""; 0]);
    let reopened = Review { decision: None, ..reviews.get(&tea(), "a").await.unwrap().unwrap() };
    assert!(reviews.update(&reopened).await.unwrap());
    assert_eq!(ids(&reviews, &tea()).await, ["a"]);
}

pub async fn all_are_gone_through_page_by_page<R: Reviews>(make: impl AsyncFn() -> R) {
    let reviews = make().await;
    for id in ["held_b", "held_a", "reported_1_0", "held_c"] {
        reviews.open(&review(&tea(), id, 1)).await.unwrap();
    }
    for other in [Desk::Room(room_id("te")), Desk::Room(room_id("teas")), Desk::Direct] {
        reviews.open(&review(&other, "z", 1)).await.unwrap();
    }
    reviews.update(&decided(&review(&tea(), "held_b", 1), true)).await.unwrap();
    let (mut met, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = reviews.all(&tea(), after.as_deref(), 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        // What was met may go meanwhile.
        reviews.remove(&tea(), &last.id).await.unwrap();
        met.extend(page.into_iter().map(|review| (review.id.clone(), review.is_open())));
    }
    met.sort();
    let expected = [("held_a", true), ("held_b", false), ("held_c", true), ("reported_1_0", true)];
    assert_eq!(met, expected.map(|(id, is_open)| (id.to_owned(), is_open)));
    let direct = reviews.all(&Desk::Direct, None, 9).await.unwrap();
    assert_eq!(direct, [review(&Desk::Direct, "z", 1)]);
    assert!(reviews.all(&Desk::Direct, Some("z"), 9).await.unwrap().is_empty());
}

pub async fn removal_tells_whether_it_was_there<R: Reviews>(make: impl AsyncFn() -> R) {
    let reviews = make().await;
    let first = review(&tea(), "a", 1);
    assert!(!reviews.remove(&tea(), "a").await.unwrap());
    reviews.open(&first).await.unwrap();
    assert!(reviews.remove(&tea(), "a").await.unwrap());
    assert!(!reviews.remove(&tea(), "a").await.unwrap());
    assert_eq!(ids(&reviews, &tea()).await, [""; 0]);
    assert!(!reviews.update(&first).await.unwrap());
}

pub async fn odd_and_large_ones_come_back_as_they_were<R: Reviews>(make: impl AsyncFn() -> R) {
    let reviews = make().await;
    let mut texts = odd_texts();
    texts.push("漢".repeat(32_000));
    for (n, text) in texts.iter().enumerate() {
        let mut odd = review(&Desk::Direct, &format!("{n}"), 1);
        odd.message.content.clone_from(text);
        let by = user(&texts[0]);
        let report = Report { by, reason: Some("漢".repeat(500)), at: at(1) };
        odd.matter = Matter::Reported { seq: 1, reports: vec![report; 50] };
        odd.receiver = crate::model::UserId::new(text).ok();
        reviews.open(&odd).await.unwrap();
        assert_eq!(reviews.get(&Desk::Direct, &odd.id).await.unwrap(), Some(odd));
    }
}

pub async fn everything_is_there_again<R: Reviews>(make: impl AsyncFn() -> R) {
    let reviews = make().await;
    for id in ["a", "b", "c"] {
        reviews.open(&review(&tea(), id, 1)).await.unwrap();
    }
    reviews.update(&decided(&review(&tea(), "a", 1), true)).await.unwrap();
    reviews.remove(&tea(), "b").await.unwrap();
    drop(reviews);

    let reviews = make().await;
    assert_eq!(ids(&reviews, &tea()).await, ["c"]);
    assert!(!reviews.get(&tea(), "a").await.unwrap().unwrap().is_open());
}
