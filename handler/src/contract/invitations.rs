//! The contract of [`Invitations`].

use std::collections::BTreeSet;
use std::sync::Arc;

use super::data::{at, invitation, odd_texts, room_id, user};
use crate::model::{Invitation, Role, RoomId, UserId};
use crate::ports::{Invitations, Redeemed};

fn tea() -> RoomId {
    room_id("tea")
}

async fn ids(invitations: &impl Invitations, room: &str, after: Option<&str>, limit: usize) -> Vec<String> {
    let list = invitations.list(&room_id(room), after, limit).await.unwrap();
    assert!(list.iter().all(|row| row.room == room_id(room)));
    list.into_iter().map(|row| row.id).collect()
}

/// Redeems before anything expires.
async fn redeem(invitations: &impl Invitations, id: &str, who: &str) -> Redeemed {
    invitations.redeem(id, &user(who), at(0)).await.unwrap()
}

async fn used_by(invitations: &impl Invitations) -> Vec<UserId> {
    invitations.list(&tea(), None, 9).await.unwrap().remove(0).used_by
}

fn used(row: &Invitation, names: &[&str]) -> Redeemed {
    Redeemed::Yes(Invitation { used_by: names.iter().map(|name| user(name)).collect(), ..row.clone() })
}

pub async fn an_invitation_is_stored_once<I: Invitations>(make: impl AsyncFn() -> I) {
    let invitations = make().await;
    assert_eq!(invitations.list(&tea(), None, 9).await.unwrap(), []);
    let row = Invitation { role: Role::Moderator, by: user("bob"), ..invitation("a", "tea", 3) };
    invitations.create(&row).await.unwrap();
    assert_eq!(redeem(&invitations, "a", "ann").await, used(&row, &["ann"]));
    for other in [row.clone(), invitation("a", "tea", 9), invitation("a", "mate", 9)] {
        invitations.create(&other).await.unwrap();
    }
    let expected = Invitation { used_by: vec![user("ann")], ..row };
    assert_eq!(invitations.get("a").await.unwrap().as_ref(), Some(&expected));
    assert_eq!(invitations.get("aa").await.unwrap(), None);
    assert_eq!(invitations.list(&tea(), None, 9).await.unwrap(), [expected]);
    assert_eq!(ids(&invitations, "mate", None, 9).await, [""; 0]);
}

pub async fn a_user_uses_it_up_once<I: Invitations>(make: impl AsyncFn() -> I) {
    let (invitations, row) = (make().await, invitation("a", "tea", 2));
    invitations.create(&row).await.unwrap();
    assert_eq!(redeem(&invitations, "a", "ann").await, used(&row, &["ann"]));
    assert_eq!(redeem(&invitations, "a", "ann").await, used(&row, &["ann"]), "again, at no cost");
    assert_eq!(redeem(&invitations, "a", "bob").await, used(&row, &["ann", "bob"]));
    assert_eq!(redeem(&invitations, "a", "cid").await, Redeemed::UsedUp);
    assert_eq!(redeem(&invitations, "a", "ann").await, used(&row, &["ann", "bob"]), "used up for others");
    assert_eq!(used_by(&invitations).await, ["ann", "bob"].map(user), "who was refused left no trace");
    for id in ["", "b", "aa", "A"] {
        assert_eq!(redeem(&invitations, id, "ann").await, Redeemed::Unknown, "{id:?}");
    }
}

pub async fn it_ends_with_its_time<I: Invitations>(make: impl AsyncFn() -> I) {
    let (invitations, row) = (make().await, invitation("a", "tea", 2));
    invitations.create(&row).await.unwrap();
    let end = row.expires_at.millis();
    let redeem = async |who: &str, millis| {
        let now = crate::model::Timestamp::from_millis(millis);
        invitations.redeem("a", &user(who), now).await.unwrap()
    };
    assert_eq!(redeem("ann", end).await, Redeemed::Expired);
    assert_eq!(redeem("ann", end - 1).await, used(&row, &["ann"]));
    assert_eq!(redeem("bob", end + 1).await, Redeemed::Expired);
    assert_eq!(redeem("ann", end - 1).await, used(&row, &["ann"]), "one it has let in comes in again");
    assert_eq!(redeem("ann", end).await, Redeemed::Expired, "but not for ever");
    assert_eq!(ids(&invitations, "tea", None, 9).await, ["a"], "expired ones are listed too");
}

pub async fn racing_users_use_no_more_than_there_is<I: Invitations + 'static>(make: impl AsyncFn() -> I) {
    let invitations = Arc::new(make().await);
    invitations.create(&invitation("a", "tea", 3)).await.unwrap();
    // Everybody tries twice.
    let racers: Vec<_> = (0..16)
        .map(|n| {
            let invitations = Arc::clone(&invitations);
            tokio::spawn(async move {
                let name = format!("user{}", n / 2);
                (user(&name), redeem(&*invitations, "a", &name).await)
            })
        })
        .collect();
    let mut let_in = BTreeSet::new();
    for racer in racers {
        match racer.await.unwrap() {
            (name, Redeemed::Yes(_)) => drop(let_in.insert(name)),
            (_, answer) => assert_eq!(answer, Redeemed::UsedUp),
        }
    }
    assert_eq!(let_in.len(), 3);
    let stored = used_by(&*invitations).await;
    assert_eq!((stored.len(), stored.into_iter().collect::<BTreeSet<_>>()), (3, let_in));
}

pub async fn invitations_are_listed_by_id_behind_the_cursor<I: Invitations>(make: impl AsyncFn() -> I) {
    let invitations = make().await;
    for id in ["b", "a", "c", "B", "aa"] {
        invitations.create(&invitation(id, "tea", 1)).await.unwrap();
    }
    for (n, room) in ["te", "te-", "tea-", "tea0", "teaa"].into_iter().enumerate() {
        invitations.create(&invitation(&format!("a{n}"), room, 1)).await.unwrap();
    }
    assert_eq!(ids(&invitations, "tea", None, 9).await, ["B", "a", "aa", "b", "c"]);
    assert_eq!(ids(&invitations, "tea", None, 2).await, ["B", "a"]);
    assert_eq!(ids(&invitations, "tea", Some("a"), 2).await, ["aa", "b"]);
    assert_eq!(ids(&invitations, "tea", Some("a9"), 9).await, ["aa", "b", "c"], "it need not exist");
    assert_eq!(ids(&invitations, "tea", Some("c"), 9).await, [""; 0]);
    assert_eq!(ids(&invitations, "tea", None, 0).await, [""; 0]);
    assert_eq!(ids(&invitations, "te", None, 9).await, ["a0"]);
    assert_eq!(ids(&invitations, "nowhere", None, 9).await, [""; 0]);
}

pub async fn a_revoked_one_lets_nobody_in<I: Invitations>(make: impl AsyncFn() -> I) {
    let invitations = make().await;
    invitations.create(&invitation("a", "tea", 9)).await.unwrap();
    invitations.create(&invitation("b", "tea", 9)).await.unwrap();
    redeem(&invitations, "a", "ann").await;
    assert!(!invitations.revoke(&room_id("mate"), "a").await.unwrap(), "another room's");
    assert!(matches!(redeem(&invitations, "a", "ann").await, Redeemed::Yes(_)));
    assert!(invitations.revoke(&tea(), "a").await.unwrap());
    assert!(!invitations.revoke(&tea(), "a").await.unwrap());
    assert!(!invitations.revoke(&tea(), "c").await.unwrap());
    for name in ["ann", "bob"] {
        assert_eq!(redeem(&invitations, "a", name).await, Redeemed::Unknown);
    }
    assert_eq!(ids(&invitations, "tea", None, 9).await, ["b"]);
}

pub async fn odd_ids_are_kept_apart<I: Invitations>(make: impl AsyncFn() -> I) {
    let invitations = make().await;
    let texts: BTreeSet<String> = odd_texts().into_iter().collect();
    for text in &texts {
        invitations.create(&invitation(text, "tea", 2)).await.unwrap();
        let expected = used(&invitation(text, "tea", 2), &[text, "ann"]);
        redeem(&invitations, text, text).await;
        assert_eq!(redeem(&invitations, text, "ann").await, expected);
    }
    let sorted: Vec<String> = texts.iter().cloned().collect();
    assert_eq!(ids(&invitations, "tea", None, 999).await, sorted);
    for (n, text) in sorted.iter().enumerate() {
        assert_eq!(ids(&invitations, "tea", Some(text), 999).await, sorted[n + 1..], "{text:?}");
        assert!(invitations.revoke(&tea(), text).await.unwrap());
    }
    assert_eq!(ids(&invitations, "tea", None, 9).await, [""; 0]);
}

pub async fn everything_is_there_again<I: Invitations>(make: impl AsyncFn() -> I) {
    let invitations = make().await;
    for id in ["a", "b"] {
        invitations.create(&invitation(id, "tea", 1)).await.unwrap();
    }
    redeem(&invitations, "a", "ann").await;
    invitations.revoke(&tea(), "b").await.unwrap();
    drop(invitations);

    let invitations = make().await;
    assert_eq!(ids(&invitations, "tea", None, 9).await, ["a"]);
    assert_eq!(redeem(&invitations, "a", "bob").await, Redeemed::UsedUp);
    assert_eq!(redeem(&invitations, "a", "ann").await, used(&invitation("a", "tea", 1), &["ann"]));
    assert_eq!(redeem(&invitations, "b", "ann").await, Redeemed::Unknown);
}
