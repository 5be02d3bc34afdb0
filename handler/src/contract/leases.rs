//! The contract of [`Leases`].

use std::collections::BTreeSet;
use std::sync::Arc;

use super::data::{lease, odd_texts, user};
use crate::model::{Lease, UserId};
use crate::ports::Leases;

/// User and connection of a page.
async fn page(leases: &impl Leases, after: Option<(&str, &str)>, limit: usize) -> Vec<(String, String)> {
    let after = after.map(|(name, connection)| (user(name), connection));
    let after = after.as_ref().map(|(name, connection)| (name, *connection));
    let list = leases.list(after, limit).await.unwrap();
    list.into_iter().map(|lease| (lease.user.to_string(), lease.connection)).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, connection)| ((*name).to_owned(), (*connection).to_owned())).collect()
}

async fn online(leases: &impl Leases, names: &[&str]) -> Vec<bool> {
    let users: Vec<UserId> = names.iter().map(|name| user(name)).collect();
    leases.online(&users).await.unwrap()
}

pub async fn a_lease_replaces_its_connections_former<L: Leases>(make: impl AsyncFn() -> L) {
    let leases = make().await;
    assert_eq!(leases.of(&user("ann")).await.unwrap(), []);
    let (asked, there) = (lease("ann", "1", false), lease("ann", "1", true));
    let other = lease("ann", "0", false);
    for row in [&asked, &other, &there, &there] {
        leases.put(row).await.unwrap();
    }
    assert_eq!(leases.of(&user("ann")).await.unwrap(), [other, there], "by connection");
    assert_eq!(leases.of(&user("an")).await.unwrap(), []);
}

pub async fn who_has_a_confirmed_one_is_online<L: Leases>(make: impl AsyncFn() -> L) {
    let leases = make().await;
    leases.put(&lease("ann", "1", false)).await.unwrap();
    leases.put(&lease("bob", "2", false)).await.unwrap();
    leases.put(&lease("bob", "3", true)).await.unwrap();
    leases.put(&lease("bob", "4", true)).await.unwrap();
    let all = ["nobody", "bob", "ann", "bob"];
    assert_eq!(online(&leases, &all).await, [false, true, false, true], "in the order asked");
    leases.put(&lease("ann", "1", true)).await.unwrap();
    leases.remove(&user("bob"), "3").await.unwrap();
    assert_eq!(online(&leases, &all).await, [false, true, true, true], "one of two devices is left");
    leases.remove(&user("bob"), "4").await.unwrap();
    assert_eq!(online(&leases, &all).await, [false, false, true, false], "an unconfirmed one is no presence");
    assert_eq!(online(&leases, &[]).await, [false; 0]);
}

pub async fn removal_tells_whether_it_was_there<L: Leases>(make: impl AsyncFn() -> L) {
    let leases = make().await;
    leases.put(&lease("ann", "1", true)).await.unwrap();
    leases.put(&lease("ann", "2", true)).await.unwrap();
    assert!(!leases.remove(&user("bob"), "1").await.unwrap(), "another user's");
    assert!(!leases.remove(&user("ann"), "3").await.unwrap());
    assert!(leases.remove(&user("ann"), "1").await.unwrap());
    assert!(!leases.remove(&user("ann"), "1").await.unwrap());
    assert_eq!(leases.of(&user("ann")).await.unwrap(), [lease("ann", "2", true)]);
    assert!(leases.remove(&user("ann"), "2").await.unwrap());
    assert_eq!(page(&leases, None, 9).await, pairs(&[]));
}

pub async fn leases_are_listed_by_user_and_connection_behind_the_cursor<L: Leases>(
    make: impl AsyncFn() -> L,
) {
    let leases = make().await;
    for (name, connection) in [("bob", "2"), ("ann", "9"), ("bob", "1"), ("Bob", "5"), ("bo", "b")] {
        leases.put(&lease(name, connection, connection == "1")).await.unwrap();
    }
    let all = pairs(&[("Bob", "5"), ("ann", "9"), ("bo", "b"), ("bob", "1"), ("bob", "2")]);
    assert_eq!(page(&leases, None, 9).await, all);
    assert_eq!(page(&leases, None, 2).await, all[..2]);
    assert_eq!(page(&leases, Some(("ann", "9")), 2).await, all[2..4]);
    assert_eq!(page(&leases, Some(("bob", "1")), 9).await, all[4..], "within a user");
    assert_eq!(page(&leases, Some(("bob", "0")), 9).await, all[3..], "the cursor need not exist");
    assert_eq!(page(&leases, Some(("b", "z")), 9).await, all[2..]);
    assert_eq!(page(&leases, Some(("bob", "2")), 9).await, pairs(&[]));
    assert_eq!(page(&leases, None, 0).await, pairs(&[]));
}

pub async fn connections_come_and_go_at_once<L: Leases + 'static>(make: impl AsyncFn() -> L) {
    let leases = Arc::new(make().await);
    let connections: Vec<_> = (0..32)
        .map(|n| {
            let leases = Arc::clone(&leases);
            // Of each user's four connections one goes again.
            tokio::spawn(async move {
                let lease = lease(&format!("user{}", n / 4), &n.to_string(), true);
                leases.put(&lease).await.unwrap();
                if n % 4 == 0 {
                    assert!(leases.remove(&lease.user, &lease.connection).await.unwrap());
                }
            })
        })
        .collect();
    for connection in connections {
        connection.await.unwrap();
    }
    assert_eq!(leases.list(None, 99).await.unwrap().len(), 24);
    assert_eq!(leases.of(&user("user3")).await.unwrap().len(), 3);
}

pub async fn odd_ids_are_kept_apart<L: Leases>(make: impl AsyncFn() -> L) {
    let leases = make().await;
    let texts: BTreeSet<String> = odd_texts().into_iter().collect();
    for text in &texts {
        leases.put(&lease(text, text, true)).await.unwrap();
    }
    let sorted: Vec<_> = texts.iter().map(|text| (text.clone(), text.clone())).collect();
    assert_eq!(page(&leases, None, 999).await, sorted);
    for (n, text) in texts.iter().enumerate() {
        assert_eq!(page(&leases, Some((text, text)), 999).await, sorted[n + 1..], "{text:?}");
        let expected: Vec<Lease> = vec![lease(text, text, true)];
        assert_eq!(leases.of(&user(text)).await.unwrap(), expected);
    }
    for text in &texts {
        assert!(leases.remove(&user(text), text).await.unwrap(), "{text:?}");
        assert_eq!(online(&leases, &[text]).await, [false]);
    }
}
