//! The contract of [`Erasures`].

use super::data::{at, conversation, odd_texts, user};
use crate::model::Erasure;
use crate::ports::Erasures;

fn erasure(who: &str) -> Erasure {
    Erasure {
        user: user(who),
        by: user("root"),
        requested_at: at(1),
        laps: 0,
        up_to: None,
        within: None,
        done_at: None,
    }
}

pub async fn a_row_takes_the_place_of_the_users_former_one<E: Erasures>(make: impl AsyncFn() -> E) {
    let erasures = make().await;
    assert_eq!(erasures.get(&user("ann")).await.unwrap(), None);
    let further = Erasure {
        laps: 1,
        up_to: Some(conversation("tea")),
        within: Some((conversation("tea2"), 7)),
        ..erasure("ann")
    };
    for row in [erasure("ann"), further.clone(), further] {
        erasures.put(&row).await.unwrap();
        assert_eq!(erasures.get(&user("ann")).await.unwrap(), Some(row));
    }
    assert_eq!(erasures.get(&user("an")).await.unwrap(), None);
}

pub async fn what_is_done_stays_and_is_not_under_way<E: Erasures>(make: impl AsyncFn() -> E) {
    let erasures = make().await;
    assert_eq!(erasures.under_way(9).await.unwrap(), []);
    for who in ["ann", "bob", "cid"] {
        erasures.put(&erasure(who)).await.unwrap();
    }
    let mut all = erasures.under_way(9).await.unwrap();
    assert_eq!(erasures.under_way(2).await.unwrap(), all[..2], "the order stays");
    all.sort_by(|one, other| one.user.cmp(&other.user));
    assert_eq!(all, ["ann", "bob", "cid"].map(erasure));
    let done = Erasure { done_at: Some(at(5)), ..erasure("bob") };
    erasures.put(&done).await.unwrap();
    let left: Vec<_> = erasures.under_way(9).await.unwrap().into_iter().map(|row| row.user).collect();
    assert!(left.len() == 2 && !left.contains(&user("bob")), "{left:?}");
    assert_eq!(erasures.get(&user("bob")).await.unwrap(), Some(done));
    erasures.put(&erasure("bob")).await.unwrap();
    assert_eq!(erasures.under_way(9).await.unwrap().len(), 3, "asked for once more");
}

pub async fn odd_user_ids_are_kept_apart<E: Erasures>(make: impl AsyncFn() -> E) {
    let erasures = make().await;
    let texts = odd_texts();
    for text in &texts {
        erasures.put(&erasure(text)).await.unwrap();
    }
    for text in &texts {
        assert_eq!(erasures.get(&user(text)).await.unwrap(), Some(erasure(text)));
    }
    assert_eq!(erasures.under_way(1_000).await.unwrap().len(), texts.len());
}

pub async fn everything_is_there_again<E: Erasures>(make: impl AsyncFn() -> E) {
    let erasures = make().await;
    erasures.put(&erasure("ann")).await.unwrap();
    erasures.put(&Erasure { done_at: Some(at(3)), ..erasure("bob") }).await.unwrap();
    drop(erasures);
    let erasures = make().await;
    assert_eq!(erasures.under_way(9).await.unwrap(), [erasure("ann")]);
    assert!(erasures.get(&user("bob")).await.unwrap().is_some());
}
