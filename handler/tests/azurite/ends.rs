//! What has its time: markers and done inbox items end after 90 days, when something else is done beside them.

use handler::adapters::azure::table::{TableInbox, TableLog};
use handler::contract::data::{at, conversation, inbox_item, marked, message, user};
use handler::model::bounds::MARKER_DAYS;
use handler::ports::{Inbox, InboxItem, Log, NewEntry, Outcome};

use crate::azurite::prefix;
use crate::tables::tables;

const DAY_MILLIS: u64 = 86_400_000;

#[tokio::test]
async fn retention_removes_markers_whose_time_has_come() {
    let log = TableLog::new(&tables(&prefix()));
    let tea = conversation("tea");
    log.open(&tea).await.unwrap();
    let sent =
        |id: &str, days: u64| NewEntry { at: at(days * DAY_MILLIS), ..marked(&tea, id, message(id, "x")) };
    let entries = vec![sent("old", 0), sent("young", 2), sent("new", MARKER_DAYS + 1)];
    log.append(&tea, entries).await.unwrap();
    log.trim(&tea, 2).await.unwrap();
    let is_known = async |id: &str| log.find(&tea, &sent(id, 0).marker.unwrap()).await.unwrap().is_some();
    assert!(!is_known("old").await);
    assert!(is_known("young").await && is_known("new").await, "below the floor, but not ended");
    let outcomes = log.append(&tea, vec![sent("young", MARKER_DAYS + 1)]).await.unwrap();
    assert!(matches!(outcomes[..], [Outcome::Duplicate { seq: 2, .. }]), "{outcomes:?}");
}

#[tokio::test]
async fn a_done_item_is_forgotten_after_its_time() {
    let inbox = TableInbox::new(&tables(&prefix()));
    let bob = user("bob");
    let first = inbox_item("ann", "first", 1);
    inbox.put(&bob, &first).await.unwrap();
    inbox.acknowledge(&bob, &["first".to_owned()]).await.unwrap();
    inbox.put(&bob, &first).await.unwrap();
    assert_eq!(inbox.list(&bob, None, None, 9).await.unwrap(), [], "done stays done");
    // One put in 64 looks for what has ended.
    let late =
        |n: u64| InboxItem { at: at((MARKER_DAYS + 1) * DAY_MILLIS), ..inbox_item("ann", &n.to_string(), n) };
    let sweeping = (2..).map(late).find(|item| item.key().marker.as_bytes()[0] < 4).unwrap();
    inbox.put(&bob, &sweeping).await.unwrap();
    inbox.put(&bob, &first).await.unwrap();
    assert_eq!(inbox.list(&bob, None, None, 9).await.unwrap(), [first, sweeping], "it is new again");
}
