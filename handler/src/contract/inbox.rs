//! The contract of [`Inbox`].

use super::data::{at, inbox_item, message_id, odd_texts, user};
use crate::model::{ConversationId, UserId};
use crate::ports::{Inbox, InboxItem, InboxKey};

fn me() -> UserId {
    user("receiver")
}

async fn waiting(inbox: &impl Inbox) -> Vec<InboxItem> {
    inbox.list(&me(), None, None, usize::MAX).await.unwrap()
}

/// `seq` of the items of a page.
async fn seqs(
    inbox: &impl Inbox,
    after: Option<InboxKey>,
    before: Option<InboxKey>,
    limit: usize,
) -> Vec<u64> {
    inbox.list(&me(), after, before, limit).await.unwrap().iter().map(|item| item.seq).collect()
}

async fn acknowledge(inbox: &impl Inbox, ids: &[&str]) -> usize {
    let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    inbox.acknowledge(&me(), &ids).await.unwrap()
}

/// An inbox with messages 1 to `count` from ann, their ids `m1`, `m2` …
async fn filled<I: Inbox>(make: impl AsyncFn() -> I, count: u64) -> I {
    let inbox = make().await;
    for n in 1..=count {
        inbox.put(&me(), &inbox_item("ann", &format!("m{n}"), n)).await.unwrap();
    }
    inbox
}

pub async fn items_wait_in_order_of_their_keys<I: Inbox>(make: impl AsyncFn() -> I) {
    let inbox = make().await;
    assert_eq!(waiting(&inbox).await, []);
    let mut items = vec![inbox_item("ann", "a", 3), inbox_item("bob", "b", 1), inbox_item("ann", "c", 2)];
    // The same moment: the marker decides.
    items.push(InboxItem { at: at(3), ..inbox_item("bob", "d", 4) });
    for item in &items {
        inbox.put(&me(), item).await.unwrap();
    }
    items.sort_by_key(InboxItem::key);
    assert_eq!(waiting(&inbox).await, items);
}

pub async fn an_item_is_stored_once<I: Inbox>(make: impl AsyncFn() -> I) {
    let inbox = filled(make, 1).await;
    let first = inbox_item("ann", "m1", 1);
    let mut changed = first.clone();
    changed.message.content = "something else".into();
    inbox.put(&me(), &changed).await.unwrap();
    inbox.put(&me(), &first).await.unwrap();
    assert_eq!(waiting(&inbox).await, [first]);
}

pub async fn pages_have_exclusive_cursors_in_both_directions<I: Inbox>(make: impl AsyncFn() -> I) {
    let inbox = filled(make, 5).await;
    let key = |n: u64| Some(inbox_item("ann", &format!("m{n}"), n).key());
    assert_eq!(seqs(&inbox, None, None, 2).await, [1, 2]);
    assert_eq!(seqs(&inbox, key(2), None, 2).await, [3, 4]);
    assert_eq!(seqs(&inbox, key(5), None, 2).await, [0; 0]);
    assert_eq!(seqs(&inbox, None, key(5), 2).await, [3, 4]);
    assert_eq!(seqs(&inbox, None, key(3), 9).await, [1, 2]);
    assert_eq!(seqs(&inbox, None, key(1), 9).await, [0; 0]);
    assert_eq!(seqs(&inbox, key(1), key(5), 2).await, [3, 4], "the last ones before it, in between");
    assert_eq!(seqs(&inbox, key(1), key(5), 9).await, [2, 3, 4]);
    assert_eq!(seqs(&inbox, key(3), key(3), 9).await, [0; 0]);
    assert_eq!(seqs(&inbox, key(4), key(2), 9).await, [0; 0]);
    assert_eq!(seqs(&inbox, None, None, 0).await, [0; 0]);
    assert_eq!(acknowledge(&inbox, &["m2", "m3"]).await, 2);
    assert_eq!(seqs(&inbox, key(2), None, 2).await, [4, 5], "the cursor's item may be done");
    assert_eq!(seqs(&inbox, None, key(4), 1).await, [1], "done ones do not count");
}

pub async fn acknowledging_takes_keys_and_message_ids<I: Inbox>(make: impl AsyncFn() -> I) {
    let inbox = filled(make, 4).await;
    inbox.put(&me(), &inbox_item("bob", "m2", 9)).await.unwrap();
    let key = inbox_item("ann", "m1", 1).key().to_text();
    assert_eq!(acknowledge(&inbox, &[]).await, 0);
    assert_eq!(acknowledge(&inbox, &["", "m", "m22", "unknown", &"x".repeat(9_999), &key[1..]]).await, 0);
    assert_eq!(acknowledge(&inbox, &[&key, &key, "m1"]).await, 1, "named twice, changed once");
    assert_eq!(seqs(&inbox, None, None, 9).await, [2, 3, 4, 9]);
    assert_eq!(acknowledge(&inbox, &["m2", "nonsense"]).await, 2, "both senders' m2");
    assert_eq!(acknowledge(&inbox, &["m2", &key]).await, 0, "again");
    assert_eq!(seqs(&inbox, None, None, 9).await, [3, 4]);
}

pub async fn a_read_mark_finishes_a_conversation_up_to_its_seq<I: Inbox>(make: impl AsyncFn() -> I) {
    let inbox = filled(make, 4).await;
    inbox.put(&me(), &inbox_item("bob", "x", 1)).await.unwrap();
    let with = |who: &str| ConversationId::direct(&user(who), &me());
    assert_eq!(inbox.acknowledge_read(&me(), &with("cid"), 99).await.unwrap(), 0);
    assert_eq!(inbox.acknowledge_read(&me(), &with("ann"), 0).await.unwrap(), 0);
    assert_eq!(inbox.acknowledge_read(&me(), &with("ann"), 2).await.unwrap(), 2);
    assert_eq!(inbox.acknowledge_read(&me(), &with("ann"), 2).await.unwrap(), 0);
    let left: Vec<_> = waiting(&inbox).await.into_iter().map(|item| item.message.id).collect();
    assert_eq!(left, ["x", "m3", "m4"].map(message_id));
    assert_eq!(acknowledge(&inbox, &["m1"]).await, 0);
    assert_eq!(inbox.acknowledge_read(&me(), &with("ann"), u64::MAX).await.unwrap(), 2);
}

pub async fn a_done_item_stays_done<I: Inbox>(make: impl AsyncFn() -> I) {
    let inbox = filled(make, 2).await;
    acknowledge(&inbox, &["m1"]).await;
    let with_ann = ConversationId::direct(&user("ann"), &me());
    inbox.acknowledge_read(&me(), &with_ann, 2).await.unwrap();
    for n in 1..=2 {
        inbox.put(&me(), &inbox_item("ann", &format!("m{n}"), n)).await.unwrap();
    }
    assert_eq!(waiting(&inbox).await, []);
    assert_eq!(acknowledge(&inbox, &["m1", "m2"]).await, 0);
}

pub async fn receivers_do_not_see_each_other<I: Inbox>(make: impl AsyncFn() -> I) {
    let inbox = make().await;
    let item = inbox_item("ann", "m1", 1);
    for name in ["receiver", "receive", "receiver0", "receiver\0", "Receiver"] {
        inbox.put(&user(name), &item).await.unwrap();
    }
    acknowledge(&inbox, &["m1"]).await;
    assert_eq!(waiting(&inbox).await, []);
    for name in ["receive", "receiver0", "receiver\0", "Receiver"] {
        assert_eq!(inbox.list(&user(name), None, None, 9).await.unwrap().len(), 1, "{name:?}");
    }
    assert_eq!(inbox.list(&user("nobody"), None, None, 9).await.unwrap(), []);
    assert_eq!(inbox.acknowledge(&user("nobody"), &["m1".to_owned()]).await.unwrap(), 0);
}

pub async fn odd_ids_are_kept_apart<I: Inbox>(make: impl AsyncFn() -> I) {
    let inbox = make().await;
    let texts = odd_texts();
    for text in &texts {
        let item = inbox_item(text, text, 1);
        for receiver in [user(text), me()] {
            inbox.put(&receiver, &item).await.unwrap();
        }
        assert_eq!(inbox.list(&user(text), None, None, 9).await.unwrap(), [item]);
    }
    assert_eq!(waiting(&inbox).await.len(), texts.len());
    for text in &texts {
        assert_eq!(acknowledge(&inbox, &[text]).await, 1, "{text:?}");
        let conversation = ConversationId::direct(&user(text), &me());
        assert_eq!(inbox.acknowledge_read(&user(text), &conversation, 1).await.unwrap(), 1, "{text:?}");
    }
    assert_eq!(waiting(&inbox).await, []);
}

pub async fn everything_is_there_again<I: Inbox>(make: impl AsyncFn() -> I) {
    let inbox = filled(&make, 3).await;
    acknowledge(&inbox, &["m2"]).await;
    drop(inbox);

    let inbox = filled(&make, 3).await;
    assert_eq!(seqs(&inbox, None, None, 9).await, [1, 3], "waiting ones wait, done ones stay done");
    assert_eq!(acknowledge(&inbox, &["m1", "m2", "m3"]).await, 2);
}
