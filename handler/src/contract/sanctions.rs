//! The contract of [`Sanctions`].

use std::collections::BTreeSet;
use std::sync::Arc;

use super::data::{at, odd_texts, room_id, sanction, user};
use crate::model::SanctionKind::{Ban, Mute, Removal};
use crate::model::{RoomId, Sanction, SanctionKind};
use crate::ports::Sanctions;

fn tea() -> RoomId {
    room_id("tea")
}

/// The users with a sanction of the kind.
async fn names(
    sanctions: &impl Sanctions,
    room: &str,
    kind: SanctionKind,
    after: Option<&str>,
    limit: usize,
) -> Vec<String> {
    let after = after.map(user);
    let list = sanctions.list(&room_id(room), kind, after.as_ref(), limit).await.unwrap();
    assert!(list.iter().all(|row| row.kind == kind));
    list.iter().map(|row| row.user.to_string()).collect()
}

/// What is not applied, in no order.
async fn unapplied(sanctions: &impl Sanctions) -> BTreeSet<(RoomId, String, SanctionKind)> {
    let rows = sanctions.unapplied(None, 999).await.unwrap();
    assert!(rows.iter().all(|(_, row)| !row.applied));
    let set: BTreeSet<_> =
        rows.iter().map(|(room, row)| (room.clone(), row.user.to_string(), row.kind)).collect();
    assert_eq!(set.len(), rows.len(), "each row once");
    set
}

pub async fn a_sanction_is_there_by_user_and_kind<S: Sanctions>(make: impl AsyncFn() -> S) {
    let sanctions = make().await;
    assert_eq!(sanctions.of(&tea(), &user("ann")).await.unwrap(), []);
    let ends = Some(7);
    let ban = Sanction { until: Some(at(9)), reason: Some("spam".into()), ends, ..sanction("ann", Ban, 1) };
    let (mute, removal) = (sanction("ann", Mute, 2), sanction("ann", Removal, 3));
    for row in [&removal, &ban, &mute] {
        sanctions.put(&tea(), row).await.unwrap();
    }
    assert_eq!(sanctions.of(&tea(), &user("ann")).await.unwrap(), [ban, mute, removal], "by kind");
    assert_eq!(sanctions.of(&tea(), &user("an")).await.unwrap(), []);
    assert_eq!(sanctions.of(&room_id("te"), &user("ann")).await.unwrap(), []);
}

pub async fn a_sanction_replaces_the_one_of_its_kind<S: Sanctions>(make: impl AsyncFn() -> S) {
    let sanctions = make().await;
    let first = Sanction { reason: Some("first".into()), ..sanction("ann", Ban, 1) };
    let second = Sanction { until: Some(at(7)), ..sanction("ann", Ban, 2) };
    for row in [&first, &second, &second] {
        sanctions.put(&tea(), row).await.unwrap();
    }
    assert_eq!(sanctions.of(&tea(), &user("ann")).await.unwrap(), vec![second.clone()]);
    assert_eq!(sanctions.list(&tea(), Ban, None, 9).await.unwrap(), vec![second.clone()]);
    assert_eq!(sanctions.unapplied(None, 9).await.unwrap(), [(tea(), second)]);
}

pub async fn sanctions_are_listed_by_user_behind_the_cursor<S: Sanctions>(make: impl AsyncFn() -> S) {
    let sanctions = make().await;
    for name in ["bob", "ann", "cid", "Bob", "bo"] {
        sanctions.put(&tea(), &sanction(name, Mute, 1)).await.unwrap();
    }
    sanctions.put(&tea(), &sanction("banned", Ban, 1)).await.unwrap();
    for room in ["te", "te-", "tea-", "tea0", "teaa"] {
        sanctions.put(&room_id(room), &sanction("stranger", Mute, 1)).await.unwrap();
    }
    let mutes = async |after, limit| names(&sanctions, "tea", Mute, after, limit).await;
    assert_eq!(mutes(None, 9).await, ["Bob", "ann", "bo", "bob", "cid"]);
    assert_eq!(mutes(None, 2).await, ["Bob", "ann"]);
    assert_eq!(mutes(Some("ann"), 2).await, ["bo", "bob"]);
    assert_eq!(mutes(Some("boa"), 9).await, ["bob", "cid"], "the cursor need not exist");
    assert_eq!(mutes(Some("cid"), 9).await, [""; 0]);
    assert_eq!(mutes(None, 0).await, [""; 0]);
    assert_eq!(names(&sanctions, "tea", Ban, None, 9).await, ["banned"]);
    assert_eq!(names(&sanctions, "tea", Removal, None, 9).await, [""; 0]);
    assert_eq!(names(&sanctions, "nowhere", Mute, None, 9).await, [""; 0]);
}

pub async fn removal_takes_this_row_and_no_other<S: Sanctions>(make: impl AsyncFn() -> S) {
    let sanctions = make().await;
    let (ban, mute) = (sanction("ann", Ban, 1), sanction("ann", Mute, 1));
    sanctions.put(&tea(), &ban).await.unwrap();
    sanctions.put(&tea(), &mute).await.unwrap();
    assert!(!sanctions.remove(&room_id("te"), &ban).await.unwrap());
    for other in others_in_place_of(&ban) {
        assert!(!sanctions.remove(&tea(), &other).await.unwrap(), "{other:?} is not there");
    }
    assert!(sanctions.remove(&tea(), &Sanction { applied: true, ..ban.clone() }).await.unwrap());
    assert!(!sanctions.remove(&tea(), &ban).await.unwrap());
    assert_eq!(sanctions.of(&tea(), &user("ann")).await.unwrap(), vec![mute.clone()]);
    assert_eq!(names(&sanctions, "tea", Ban, None, 9).await, [""; 0]);
    assert_eq!(sanctions.unapplied(None, 9).await.unwrap(), [(tea(), mute)]);
}

/// Decisions of the same user and kind that are not this one.
fn others_in_place_of(row: &Sanction) -> [Sanction; 5] {
    let row = || row.clone();
    [
        Sanction { at: at(2), ..row() },
        Sanction { until: Some(at(9)), ..row() },
        Sanction { by: user("another"), ..row() },
        Sanction { ends: Some(4), ..row() },
        Sanction { reason: Some("spam".into()), ..row() },
    ]
}

pub async fn another_row_is_not_noted_as_applied<S: Sanctions>(make: impl AsyncFn() -> S) {
    let sanctions = make().await;
    let (first, second) = (sanction("ann", Ban, 1), sanction("ann", Ban, 2));
    sanctions.mark_applied(&tea(), &first).await.unwrap();
    assert_eq!(sanctions.of(&tea(), &user("ann")).await.unwrap(), [], "a note makes no row");
    sanctions.put(&tea(), &second).await.unwrap();
    sanctions.put(&tea(), &sanction("ann", Mute, 2)).await.unwrap();
    sanctions.mark_applied(&tea(), &first).await.unwrap();
    for other in others_in_place_of(&first) {
        let other = Sanction { at: if other.at == first.at { second.at } else { first.at }, ..other };
        sanctions.mark_applied(&tea(), &other).await.unwrap();
    }
    assert_eq!(unapplied(&sanctions).await.len(), 2, "another stands there by now");
    for _ in 0..2 {
        sanctions.mark_applied(&tea(), &second).await.unwrap();
        let applied = Sanction { applied: true, ..second.clone() };
        let rows = sanctions.of(&tea(), &user("ann")).await.unwrap();
        assert_eq!(rows, [applied, sanction("ann", Mute, 2)]);
        assert_eq!(unapplied(&sanctions).await, [(tea(), "ann".to_owned(), Mute)].into());
    }
    sanctions.remove(&tea(), &second).await.unwrap();
    sanctions.mark_applied(&tea(), &second).await.unwrap();
    assert_eq!(names(&sanctions, "tea", Ban, None, 9).await, [""; 0]);
}

pub async fn what_is_not_applied_is_listed_for_all_rooms<S: Sanctions>(make: impl AsyncFn() -> S) {
    let sanctions = make().await;
    assert_eq!(sanctions.unapplied(None, 9).await.unwrap(), []);
    let mut expected = BTreeSet::new();
    for (room, name, kind) in [("tea", "ann", Ban), ("tea", "bob", Removal), ("mate", "ann", Mute)] {
        sanctions.put(&room_id(room), &sanction(name, kind, 1)).await.unwrap();
        expected.insert((room_id(room), name.to_owned(), kind));
    }
    let done = Sanction { applied: true, ..sanction("cid", Ban, 1) };
    sanctions.put(&tea(), &done).await.unwrap();
    assert_eq!(unapplied(&sanctions).await, expected);
    assert_eq!(sanctions.unapplied(None, 2).await.unwrap().len(), 2);
    assert_eq!(sanctions.unapplied(None, 0).await.unwrap(), []);
    sanctions.put(&tea(), &Sanction { applied: true, ..sanction("ann", Ban, 2) }).await.unwrap();
    sanctions.put(&tea(), &Sanction { applied: false, ..done }).await.unwrap();
    expected.remove(&(tea(), "ann".to_owned(), Ban));
    expected.insert((tea(), "cid".to_owned(), Ban));
    assert_eq!(unapplied(&sanctions).await, expected, "a row in place of another counts as it is");
}

pub async fn work_under_way_is_gone_through_in_an_order_that_stays<S: Sanctions>(make: impl AsyncFn() -> S) {
    let sanctions = make().await;
    let mut expected = BTreeSet::new();
    for room in ["tea", "te", "mate"] {
        for (name, kind) in [("ann", Ban), ("ann", Mute), ("an", Removal), ("bob", Removal), ("a", Mute)] {
            sanctions.put(&room_id(room), &sanction(name, kind, 1)).await.unwrap();
            expected.insert((room_id(room), name.to_owned(), kind));
        }
        sanctions.put(&room_id(room), &Sanction { applied: true, ..sanction("cid", Ban, 1) }).await.unwrap();
    }
    let all = sanctions.unapplied(None, 99).await.unwrap();
    assert_eq!(all.len(), expected.len());
    let mut seen = Vec::new();
    while let Some(page) = {
        let after = seen.last().map(|(room, row): &(RoomId, Sanction)| (room, row));
        Some(sanctions.unapplied(after, 4).await.unwrap()).filter(|page| !page.is_empty())
    } {
        assert!(page.len() <= 4);
        // What is gone through may be finished or lifted meanwhile, also the one that the cursor names.
        let last = page.last().unwrap();
        sanctions.mark_applied(&last.0, &last.1).await.unwrap();
        sanctions.remove(&page[0].0, &page[0].1).await.unwrap();
        seen.extend(page);
    }
    assert_eq!(seen, all);
}

pub async fn what_is_over_is_listed_once_it_is_applied<S: Sanctions>(make: impl AsyncFn() -> S) {
    let sanctions = make().await;
    let until = |name: &str, kind, millis| Sanction { until: Some(at(millis)), ..sanction(name, kind, 1) };
    let over = async |millis| -> BTreeSet<(RoomId, String)> {
        let rows = sanctions.expired(at(millis), 99).await.unwrap();
        rows.into_iter().map(|(room, row)| (room, row.user.to_string())).collect()
    };
    let is = |names: &[(&str, &str)]| -> BTreeSet<(RoomId, String)> {
        names.iter().map(|(room, name)| (room_id(room), (*name).to_owned())).collect()
    };
    for (room, row) in
        [("tea", until("ann", Ban, 5)), ("tea", until("bob", Mute, 7)), ("mate", until("ann", Mute, 9))]
    {
        let before = over(99).await;
        sanctions.put(&room_id(room), &row).await.unwrap();
        assert_eq!(over(99).await, before, "work under way is not over");
        sanctions.mark_applied(&room_id(room), &row).await.unwrap();
        assert_eq!(over(99).await.len(), before.len() + 1);
    }
    sanctions.put(&tea(), &Sanction { applied: true, ..sanction("ever", Ban, 1) }).await.unwrap();
    assert_eq!(over(4).await, is(&[]));
    assert_eq!(over(5).await, is(&[("tea", "ann")]), "in the very moment");
    assert_eq!(over(99).await, is(&[("tea", "ann"), ("tea", "bob"), ("mate", "ann")]));
    assert_eq!(sanctions.expired(at(99), 2).await.unwrap().len(), 2);
    let longer = Sanction { applied: true, at: at(2), ..until("ann", Ban, 50) };
    sanctions.put(&tea(), &longer).await.unwrap();
    assert_eq!(over(9).await, is(&[("tea", "bob"), ("mate", "ann")]), "it goes on");
    sanctions.put(&tea(), &Sanction { applied: true, ..sanction("bob", Mute, 2) }).await.unwrap();
    sanctions.remove(&room_id("mate"), &until("ann", Mute, 9)).await.unwrap();
    assert_eq!(over(99).await, is(&[("tea", "ann")]));
    sanctions.put(&tea(), &Sanction { applied: false, ..longer }).await.unwrap();
    assert_eq!(over(99).await, is(&[]));
}

pub async fn a_late_note_never_covers_a_new_sanction<S: Sanctions + 'static>(make: impl AsyncFn() -> S) {
    let sanctions = Arc::new(make().await);
    for n in 0..16 {
        let name = format!("user{n}");
        let (old, new) = (sanction(&name, Ban, 1), sanction(&name, Ban, 2));
        sanctions.put(&tea(), &old).await.unwrap();
        let note = {
            let sanctions = Arc::clone(&sanctions);
            tokio::spawn(async move { sanctions.mark_applied(&tea(), &old).await.unwrap() })
        };
        sanctions.put(&tea(), &new).await.unwrap();
        note.await.unwrap();
        assert_eq!(sanctions.of(&tea(), &user(&name)).await.unwrap(), [new]);
    }
    assert_eq!(unapplied(&*sanctions).await.len(), 16);
}

pub async fn odd_user_ids_are_kept_apart<S: Sanctions>(make: impl AsyncFn() -> S) {
    let sanctions = make().await;
    let texts: BTreeSet<String> = odd_texts().into_iter().collect();
    for text in &texts {
        for kind in [Ban, Mute] {
            let row = Sanction { reason: Some(text.clone()), by: user(text), ..sanction(text, kind, 1) };
            sanctions.put(&tea(), &row).await.unwrap();
        }
    }
    let sorted: Vec<String> = texts.iter().cloned().collect();
    assert_eq!(names(&sanctions, "tea", Mute, None, 999).await, sorted);
    assert_eq!(unapplied(&sanctions).await.len(), 2 * texts.len());
    for (n, text) in sorted.iter().enumerate() {
        assert_eq!(names(&sanctions, "tea", Mute, Some(text), 999).await, sorted[n + 1..], "{text:?}");
        let rows = sanctions.of(&tea(), &user(text)).await.unwrap();
        let [ban, mute] = rows.as_slice() else { panic!("{rows:?}") };
        assert_eq!((&ban.user, ban.reason.as_ref()), (&user(text), Some(text)));
        assert!(sanctions.remove(&tea(), ban).await.unwrap());
        sanctions.mark_applied(&tea(), mute).await.unwrap();
    }
    assert_eq!(names(&sanctions, "tea", Mute, None, 999).await, sorted);
    assert_eq!(unapplied(&sanctions).await, BTreeSet::new());
}

pub async fn everything_is_there_again<S: Sanctions>(make: impl AsyncFn() -> S) {
    let sanctions = make().await;
    let ends = Some(7);
    let ban = Sanction { until: Some(at(9)), reason: Some("spam".into()), ends, ..sanction("ann", Ban, 1) };
    sanctions.put(&tea(), &ban).await.unwrap();
    sanctions.put(&tea(), &sanction("bob", Mute, 2)).await.unwrap();
    sanctions.put(&tea(), &sanction("cid", Mute, 3)).await.unwrap();
    sanctions.mark_applied(&tea(), &ban).await.unwrap();
    sanctions.remove(&tea(), &sanction("cid", Mute, 3)).await.unwrap();
    drop(sanctions);

    let sanctions = make().await;
    let ban = Sanction { applied: true, ..ban };
    assert_eq!(sanctions.of(&tea(), &user("ann")).await.unwrap(), [ban]);
    assert_eq!(names(&sanctions, "tea", Mute, None, 9).await, ["bob"]);
    assert_eq!(sanctions.unapplied(None, 9).await.unwrap(), [(tea(), sanction("bob", Mute, 2))]);
}
