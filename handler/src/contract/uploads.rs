//! The contract of [`Uploads`].

use std::sync::Arc;

use super::data::{at, conversation, odd_texts, user};
use crate::model::{AttachmentId, Marker, MessageId, Upload};
use crate::ports::{Due, Mark, Reserved, Uploads};

const QUOTA: u64 = 1_000;

fn upload(owner: &str, key: &str, bytes: u64) -> Upload {
    let owner = user(owner);
    Upload {
        id: AttachmentId::new(&owner, key.as_bytes()),
        owner,
        conversation: conversation("tea"),
        to: None,
        name: format!("{key}.png"),
        content_type: "image/png".to_owned(),
        bytes,
        at: at(5),
        checked: false,
        used_by: None,
    }
}

fn marker(id: &str) -> Marker {
    Marker::new(&conversation("tea"), &user("ann"), &MessageId::new(id).unwrap())
}

async fn get(uploads: &impl Uploads, id: &AttachmentId) -> Option<Upload> {
    uploads.get(std::slice::from_ref(id)).await.unwrap().pop()
}

pub async fn a_row_is_reserved_once<U: Uploads>(make: impl AsyncFn() -> U) {
    let uploads = make().await;
    let first = upload("ann", "a", 10);
    assert_eq!(get(&uploads, &first.id).await, None);
    assert_eq!(uploads.reserve(&first, QUOTA).await.unwrap(), Reserved::New);
    let other = Upload { bytes: 20, name: "b.png".into(), ..first.clone() };
    assert_eq!(
        uploads.reserve(&other, 1).await.unwrap(),
        Reserved::There(first.clone()),
        "whatever the quota"
    );
    assert_eq!(get(&uploads, &first.id).await, Some(first));
}

pub async fn rows_come_in_the_order_asked<U: Uploads>(make: impl AsyncFn() -> U) {
    let uploads = make().await;
    let (a, b) = (upload("ann", "a", 1), Upload { to: Some(user("cid")), ..upload("bob", "b", 2) });
    for row in [&a, &b] {
        uploads.reserve(row, QUOTA).await.unwrap();
    }
    let ids = [b.id.clone(), AttachmentId::new(&user("ann"), b"none"), a.id.clone()];
    assert_eq!(uploads.get(&ids).await.unwrap(), [b, a]);
    assert_eq!(uploads.get(&[]).await.unwrap(), []);
}

pub async fn a_users_bytes_stay_within_their_quota<U: Uploads>(make: impl AsyncFn() -> U) {
    let uploads = make().await;
    let reserve = async |key: &str, bytes| uploads.reserve(&upload("ann", key, bytes), QUOTA).await.unwrap();
    assert_eq!(reserve("a", 600).await, Reserved::New);
    assert_eq!(reserve("b", 401).await, Reserved::OverQuota);
    assert_eq!(reserve("b", 400).await, Reserved::New);
    assert_eq!(uploads.reserve(&upload("bob", "a", 1_000), QUOTA).await.unwrap(), Reserved::New, "another's");
    uploads.mark(&upload("ann", "a", 0).id, &Mark::Checked { bytes: 100 }).await.unwrap();
    assert_eq!(reserve("c", 501).await, Reserved::OverQuota);
    assert_eq!(reserve("c", 500).await, Reserved::New, "what is there counts, not what was asked for");
    for _ in 0..2 {
        uploads.remove(&upload("ann", "b", 0).id).await.unwrap();
    }
    assert_eq!(reserve("d", 401).await, Reserved::OverQuota, "given back once");
    assert_eq!(reserve("d", 400).await, Reserved::New);
}

pub async fn racing_reservations_stay_within_the_quota<U: Uploads + 'static>(make: impl AsyncFn() -> U) {
    let uploads = Arc::new(make().await);
    let reserving: Vec<_> = (0..12)
        .map(|n| {
            let uploads = Arc::clone(&uploads);
            tokio::spawn(async move {
                uploads.reserve(&upload("ann", &n.to_string(), 100), 500).await.unwrap() == Reserved::New
            })
        })
        .collect();
    let mut reserved = 0;
    for one in reserving {
        reserved += usize::from(one.await.unwrap());
    }
    assert_eq!(reserved, 5);
}

pub async fn the_first_message_has_it<U: Uploads>(make: impl AsyncFn() -> U) {
    let uploads = make().await;
    let row = upload("ann", "a", 10);
    assert_eq!(uploads.mark(&row.id, &Mark::Used(marker("1"))).await.unwrap(), None, "there is none");
    uploads.reserve(&row, QUOTA).await.unwrap();
    let used = Upload { used_by: Some(marker("1")), ..row.clone() };
    for by in ["1", "2", "1"] {
        assert_eq!(uploads.mark(&row.id, &Mark::Used(marker(by))).await.unwrap(), Some(used.clone()));
    }
    let checked = Upload { checked: true, bytes: 7, ..used };
    for _ in 0..2 {
        let marked = uploads.mark(&row.id, &Mark::Checked { bytes: 7 }).await.unwrap();
        assert_eq!(marked, Some(checked.clone()));
    }
    assert_eq!(get(&uploads, &row.id).await, Some(checked));
}

pub async fn what_waits_is_due_at_its_time<U: Uploads>(make: impl AsyncFn() -> U) {
    let uploads = make().await;
    let rows =
        [("c", 30), ("a", 10), ("b", 20)].map(|(key, time)| Upload { at: at(time), ..upload("ann", key, 1) });
    for row in &rows {
        uploads.reserve(row, QUOTA).await.unwrap();
    }
    let [c, a, b] = rows.map(|row| Due { at: row.at, id: row.id });
    assert_eq!(uploads.due(None, at(30), 9).await.unwrap(), [a.clone(), b.clone()], "before, not at");
    assert_eq!(uploads.due(None, at(99), 2).await.unwrap(), [a.clone(), b.clone()]);
    let behind = async |after: &Due, limit| uploads.due(Some(after), at(99), limit).await.unwrap();
    assert_eq!(behind(&a, 9).await, [b.clone(), c.clone()]);
    assert_eq!(behind(&a, 1).await, std::slice::from_ref(&b));
    assert_eq!(behind(&b, 9).await, std::slice::from_ref(&c));
    assert_eq!(behind(&c, 9).await, []);
    assert_eq!(uploads.due(Some(&c), at(30), 9).await.unwrap(), [], "behind the end");
    for _ in 0..2 {
        uploads.settle(&a).await.unwrap();
    }
    assert!(get(&uploads, &a.id).await.is_some(), "the row stays");
    uploads.remove(&b.id).await.unwrap();
    assert_eq!(
        uploads.due(None, at(99), 9).await.unwrap(),
        [b.clone(), c.clone()],
        "what has no row waits too"
    );
    for time in [0, 40] {
        uploads.mark(&a.id, &Mark::DueAgain(at(time))).await.unwrap();
    }
    let again = |time| Due { at: at(time), id: a.id.clone() };
    assert_eq!(uploads.due(None, at(99), 9).await.unwrap(), [again(0), b, c, again(40)]);
}

pub async fn a_users_rows_are_theirs_alone<U: Uploads>(make: impl AsyncFn() -> U) {
    let uploads = make().await;
    let mut owners = odd_texts();
    owners.extend(["ann".to_owned(), "an".to_owned()]);
    for owner in &owners {
        for key in ["a", "b"] {
            assert_eq!(
                uploads.reserve(&upload(owner, key, 500), QUOTA).await.unwrap(),
                Reserved::New,
                "{owner}"
            );
        }
    }
    for owner in &owners {
        let mut expected = ["a", "b"].map(|key| upload(owner, key, 500));
        expected.sort_by(|a, b| a.id.cmp(&b.id));
        assert_eq!(uploads.of_owner(&user(owner), None, 9).await.unwrap(), expected);
        assert_eq!(uploads.of_owner(&user(owner), None, 1).await.unwrap(), expected[..1]);
        let behind = uploads.of_owner(&user(owner), Some(&expected[0].id), 9).await.unwrap();
        assert_eq!(behind, expected[1..]);
    }
    assert_eq!(uploads.of_owner(&user("nobody"), None, 9).await.unwrap(), []);
}

pub async fn everything_is_there_again<U: Uploads>(make: impl AsyncFn() -> U) {
    let uploads = make().await;
    let row = upload("ann", "a", 600);
    uploads.reserve(&row, QUOTA).await.unwrap();
    uploads.mark(&row.id, &Mark::Used(marker("1"))).await.unwrap();
    drop(uploads);

    let uploads = make().await;
    assert_eq!(get(&uploads, &row.id).await, Some(Upload { used_by: Some(marker("1")), ..row.clone() }));
    assert_eq!(uploads.due(None, at(9), 9).await.unwrap(), [Due { at: row.at, id: row.id }]);
    assert_eq!(uploads.reserve(&upload("ann", "b", 401), QUOTA).await.unwrap(), Reserved::OverQuota);
}
