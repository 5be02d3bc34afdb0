//! The contract of [`Log`].

use std::collections::BTreeSet;
use std::sync::Arc;

use super::data::{
    at, conversation, delete, edit, joined, marked, message, message_by, new, odd_texts, pin, react,
    room_deleted, user,
};
use crate::model::{
    Change, ConversationId, Entry, Head, MessageState, NewMessage, Role, SanctionKind, bounds,
};
use crate::ports::{Log, LogError, NewEntry, Outcome, Page, Position, Refusal};

async fn append(log: &impl Log, tea: &ConversationId, entries: Vec<NewEntry>) -> Vec<Outcome> {
    log.append(tea, entries).await.unwrap()
}

async fn append_one(log: &impl Log, tea: &ConversationId, change: Change) -> Outcome {
    append(log, tea, vec![new(change)]).await.remove(0)
}

async fn head(log: &impl Log, tea: &ConversationId) -> Head {
    log.head(tea).await.unwrap().unwrap()
}

async fn entries(log: &impl Log, tea: &ConversationId, after: u64) -> Vec<Entry> {
    log.entries(tea, after, usize::MAX).await.unwrap().unwrap().entries
}

async fn messages(log: &impl Log, tea: &ConversationId, page: Page, limit: usize) -> Vec<MessageState> {
    log.messages(tea, page, limit).await.unwrap().unwrap().messages
}

/// `seq` of the messages of a page.
async fn seqs(log: &impl Log, tea: &ConversationId, page: Page, limit: usize) -> Vec<u64> {
    messages(log, tea, page, limit).await.iter().map(|state| state.seq).collect()
}

async fn state(log: &impl Log, tea: &ConversationId, seq: u64) -> MessageState {
    messages(log, tea, Page::After(seq - 1), 1).await.remove(0)
}

/// A log with an open conversation.
async fn opened<L: Log>(make: impl AsyncFn() -> L) -> (L, ConversationId) {
    let (log, tea) = (make().await, conversation("tea"));
    log.open(&tea).await.unwrap();
    (log, tea)
}

fn appended(seq: u64, number: u64) -> Outcome {
    Outcome::Appended { seq, number, at: at(0) }
}

fn duplicate(seq: u64, number: u64) -> Outcome {
    Outcome::Duplicate { seq, number, at: at(0) }
}

pub async fn opening_makes_a_head_and_changes_nothing_when_it_is_there<L: Log>(make: impl AsyncFn() -> L) {
    let (log, tea) = (make().await, conversation("tea"));
    assert_eq!(log.head(&tea).await.unwrap(), None);
    assert_eq!(log.open(&tea).await.unwrap(), Head::default());
    append_one(&log, &tea, message("1", "hi")).await;
    let expected = Head { seq: 1, count: 1, ..Head::default() };
    assert_eq!(log.open(&tea).await.unwrap(), expected);
    assert_eq!(head(&log, &tea).await, expected);
}

pub async fn an_append_never_makes_a_head<L: Log>(make: impl AsyncFn() -> L) {
    let (log, tea) = (make().await, conversation("tea"));
    for entries in [vec![], vec![new(message("1", "hi"))], vec![marked(&tea, "1", message("1", "hi"))]] {
        assert!(matches!(log.append(&tea, entries).await, Err(LogError::NotOpen)));
    }
    log.mark_sent(&tea, 3).await.unwrap();
    log.trim(&tea, 3).await.unwrap();
    assert_eq!(log.head(&tea).await.unwrap(), None);
    assert_eq!(log.messages(&tea, Page::Newest, 10).await.unwrap(), None);
    assert_eq!(log.entries(&tea, 0, 10).await.unwrap(), None);
}

pub async fn entries_are_numbered_without_gaps_and_messages_alone<L: Log>(make: impl AsyncFn() -> L) {
    let (log, tea) = opened(make).await;
    assert_eq!(append_one(&log, &tea, joined("ann")).await, appended(1, 0));
    let outcomes =
        append(&log, &tea, vec![new(message("1", "a")), new(message("2", "b")), new(joined("bob"))]).await;
    assert_eq!(outcomes, [appended(2, 1), appended(3, 2), appended(4, 2)]);
    assert_eq!(append_one(&log, &tea, message("3", "c")).await, appended(5, 3));
    let numbers: Vec<_> =
        entries(&log, &tea, 0).await.iter().map(|entry| (entry.seq, entry.number)).collect();
    assert_eq!(numbers, [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3)]);
    let states: Vec<_> =
        messages(&log, &tea, Page::Newest, 9).await.iter().map(|state| (state.seq, state.number)).collect();
    assert_eq!(states, [(2, 1), (3, 2), (5, 3)]);
    assert_eq!(head(&log, &tea).await, Head { seq: 5, count: 3, ..Head::default() });
    assert_eq!(append(&log, &tea, vec![]).await, []);
}

pub async fn conversations_count_for_themselves<L: Log>(make: impl AsyncFn() -> L) {
    let log = make().await;
    let direct = ConversationId::direct(&user("ann"), &user("bob"));
    let all = ["a", "a-", "a0", "ab", "A", "_", "-"].map(conversation).into_iter().chain([direct]);
    let all: Vec<_> = all.collect();
    for (count, one) in (1..).zip(&all) {
        log.open(one).await.unwrap();
        for n in 1..=count {
            assert_eq!(append_one(&log, one, message("same", one.as_str())).await, appended(n, n));
        }
    }
    for (count, one) in (1..).zip(&all) {
        assert_eq!(head(&log, one).await.seq, count);
        let read = entries(&log, one, 0).await;
        assert_eq!(read.len() as u64, count);
        assert!(read.iter().all(|entry| entry.change == message("same", one.as_str())), "{one}");
        assert_eq!(messages(&log, one, Page::Newest, 99).await.len() as u64, count);
        assert_eq!(messages(&log, one, Page::Before(u64::MAX), 99).await.len() as u64, count);
        assert_eq!(messages(&log, one, Page::After(0), 99).await.len() as u64, count);
    }
    log.trim(&all[0], 1).await.unwrap();
    assert_eq!(entries(&log, &all[0], 0).await, []);
    assert_eq!(entries(&log, &all[1], 0).await.len(), 2);
}

pub async fn concurrent_appenders_leave_no_gap<L: Log + 'static>(make: impl AsyncFn() -> L) {
    const APPENDERS: u64 = 8;
    const CALLS: u64 = 12;
    let (log, tea) = opened(make).await;
    let log = Arc::new(log);
    let appenders = (0..APPENDERS).map(|n| {
        let (log, tea, name) = (Arc::clone(&log), tea.clone(), format!("user{n}"));
        tokio::spawn(async move {
            for call in 0..CALLS {
                let batch =
                    (0..=call % 3).map(|i| new(message_by(&name, &format!("{call}-{i}"), "x"))).collect();
                append(&*log, &tea, batch).await;
            }
        })
    });
    for appender in appenders.collect::<Vec<_>>() {
        appender.await.unwrap();
    }
    let expected: u64 = APPENDERS * (0..CALLS).map(|call| call % 3 + 1).sum::<u64>();
    let all = entries(&*log, &tea, 0).await;
    assert_eq!(all.iter().map(|entry| entry.seq).collect::<Vec<_>>(), (1..=expected).collect::<Vec<_>>());
    assert!(all.iter().all(|entry| entry.number == entry.seq));
    for n in 0..APPENDERS {
        let sender = user(&format!("user{n}"));
        let ids: Vec<_> = all
            .iter()
            .filter_map(|entry| match &entry.change {
                Change::Message(message) if message.sender == sender => Some(message.id.to_string()),
                _ => None,
            })
            .collect();
        let sent: Vec<_> =
            (0..CALLS).flat_map(|call| (0..=call % 3).map(move |i| format!("{call}-{i}"))).collect();
        assert_eq!(ids, sent, "a sender's order");
    }
}

pub async fn readers_never_see_an_entry_without_its_predecessor<L: Log + 'static>(make: impl AsyncFn() -> L) {
    let (log, tea) = opened(make).await;
    let log = Arc::new(log);
    let writer = {
        let (log, tea) = (Arc::clone(&log), tea.clone());
        tokio::spawn(async move {
            for n in 0..40 {
                append(&*log, &tea, vec![new(message(&n.to_string(), "x")), new(joined("bob"))]).await;
            }
        })
    };
    let mut last = 0;
    while !writer.is_finished() {
        let page = log.entries(&tea, 0, usize::MAX).await.unwrap().unwrap();
        let count = page.entries.len() as u64;
        assert!((1..).zip(&page.entries).all(|(seq, entry)| entry.seq == seq), "a gap");
        assert!(page.head.seq >= count, "the head is not older than the entries");
        assert_eq!(count % 2, 0, "half of a call is visible");
        assert!(count >= last, "what was visible stays so");
        last = count;
        tokio::task::yield_now().await;
    }
    writer.await.unwrap();
    assert_eq!(entries(&*log, &tea, 0).await.len(), 80);
}

pub async fn a_marker_counts_once<L: Log>(make: impl AsyncFn() -> L) {
    let (log, tea) = opened(make).await;
    let once = |id: &str| marked(&tea, id, message(id, id));
    let in_one_call = append(&log, &tea, vec![once("a"), once("a"), once("b"), once("a")]).await;
    assert_eq!(in_one_call, [appended(1, 1), duplicate(1, 1), appended(2, 2), duplicate(1, 1)]);
    let across_calls = append(&log, &tea, vec![once("b"), once("c"), once("a")]).await;
    assert_eq!(across_calls, [duplicate(2, 2), appended(3, 3), duplicate(1, 1)]);
    let late = NewEntry { at: at(99), change: message("a", "something else"), ..once("a") };
    assert_eq!(append(&log, &tea, vec![late]).await, [duplicate(1, 1)], "position and time are the first's");
    assert_eq!(entries(&log, &tea, 0).await.len(), 3);
    assert_eq!(state(&log, &tea, 1).await.message.content, "a");
    assert_eq!(append_one(&log, &tea, message("a", "a")).await, appended(4, 4), "without a marker it is new");
}

pub async fn a_marker_counts_once_whoever_races<L: Log + 'static>(make: impl AsyncFn() -> L) {
    let (log, tea) = opened(make).await;
    let log = Arc::new(log);
    let racers = (0..8).map(|n| {
        let (log, tea) = (Arc::clone(&log), tea.clone());
        tokio::spawn(async move {
            let own = new(message_by("bob", &n.to_string(), "own"));
            append(&*log, &tea, vec![own, marked(&tea, "same", message("same", "x"))]).await.remove(1)
        })
    });
    let mut outcomes = Vec::new();
    for racer in racers.collect::<Vec<_>>() {
        outcomes.push(racer.await.unwrap());
    }
    let first: Vec<_> =
        outcomes.iter().filter_map(|o| matches!(o, Outcome::Appended { .. }).then_some(o.clone())).collect();
    let [Outcome::Appended { seq, number, at }] = first[..] else { panic!("appended {} times", first.len()) };
    let others = outcomes.iter().filter(|o| **o == Outcome::Duplicate { seq, number, at }).count();
    assert_eq!(others, 7);
    assert_eq!(head(&*log, &tea).await.count, 9);
}

pub async fn a_marker_outlives_trim_close_and_reopening<L: Log>(make: impl AsyncFn() -> L) {
    let (log, tea) = opened(make).await;
    let once = || marked(&tea, "a", message("a", "x"));
    append(&log, &tea, vec![once(), new(delete(1))]).await;
    assert_eq!(append(&log, &tea, vec![once()]).await, [duplicate(1, 1)], "after its deletion");
    log.trim(&tea, 2).await.unwrap();
    assert_eq!(append(&log, &tea, vec![once()]).await, [duplicate(1, 1)], "after trim");
    append_one(&log, &tea, room_deleted()).await;
    assert_eq!(
        append(&log, &tea, vec![once(), once()]).await,
        [duplicate(1, 1), duplicate(1, 1)],
        "while closed"
    );
    log.open(&tea).await.unwrap();
    assert_eq!(append(&log, &tea, vec![once()]).await, [duplicate(1, 1)], "after it was opened again");
    assert_eq!(head(&log, &tea).await.seq, 3);
}

pub async fn a_marker_is_found_where_its_entry_stands<L: Log>(make: impl AsyncFn() -> L) {
    let (log, tea) = (make().await, conversation("tea"));
    let entry = |id: &str| NewEntry { at: at(7), ..marked(&tea, id, message(id, "x")) };
    let find = async |id: &str| log.find(&tea, &entry(id).marker.unwrap()).await.unwrap();
    assert_eq!(find("a").await, None, "before the conversation was opened");
    log.open(&tea).await.unwrap();
    assert_eq!(find("a").await, None);
    append(&log, &tea, vec![new(joined("ann")), entry("a"), entry("b")]).await;
    let (a, b) = (Position { seq: 2, number: 1, at: at(7) }, Position { seq: 3, number: 2, at: at(7) });
    assert_eq!((find("a").await, find("b").await, find("c").await), (Some(a), Some(b), None));
    let elsewhere = conversation("tea2");
    log.open(&elsewhere).await.unwrap();
    assert_eq!(log.find(&elsewhere, &entry("a").marker.unwrap()).await.unwrap(), None);
    log.trim(&tea, 3).await.unwrap();
    assert_eq!(find("a").await, Some(a), "after trim");
    append_one(&log, &tea, room_deleted()).await;
    assert_eq!((find("a").await, find("c").await), (Some(a), None), "while closed");
    log.open(&tea).await.unwrap();
    assert_eq!(find("b").await, Some(b), "after it was opened again");
    assert_eq!(head(&log, &tea).await.seq, 4, "asking appends nothing");
}

pub async fn a_refusal_takes_no_seq_and_leaves_no_marker<L: Log>(make: impl AsyncFn() -> L) {
    let (log, tea) = opened(make).await;
    let change = || marked(&tea, "edit", edit(1, "changed"));
    assert_eq!(append(&log, &tea, vec![change()]).await, [Outcome::Refused(Refusal::NoSuchMessage)]);
    assert_eq!(head(&log, &tea).await, Head::default());
    assert_eq!(
        append(&log, &tea, vec![new(message("1", "a")), change()]).await,
        [appended(1, 1), appended(2, 1)]
    );
    assert_eq!(append(&log, &tea, vec![change()]).await, [duplicate(2, 1)]);
    let mixed = append(&log, &tea, vec![new(edit(9, "x")), new(message("2", "b")), new(delete(9))]).await;
    let refused = Outcome::Refused(Refusal::NoSuchMessage);
    assert_eq!(mixed, [refused.clone(), appended(3, 2), refused], "in the order of the call");
}

pub async fn only_messages_above_the_floor_are_targets<L: Log>(make: impl AsyncFn() -> L) {
    let (log, tea) = opened(make).await;
    append(&log, &tea, vec![new(joined("ann")), new(message("1", "a")), new(message("2", "b"))]).await;
    append(&log, &tea, vec![new(edit(3, "B"))]).await;
    for target in [0, 1, 4, 5, u64::MAX] {
        let (on, off) = (pin(target, true), pin(target, false));
        for change in [edit(target, "x"), delete(target), react(target, "👍", "bob", true), on, off] {
            let outcome = append_one(&log, &tea, change).await;
            assert_eq!(outcome, Outcome::Refused(Refusal::NoSuchMessage), "target {target}");
        }
    }
    log.trim(&tea, 2).await.unwrap();
    assert_eq!(append_one(&log, &tea, edit(2, "x")).await, Outcome::Refused(Refusal::NoSuchMessage));
    append_one(&log, &tea, delete(3)).await;
    let reactions = [true, false].map(|on| react(3, "👍", "bob", on));
    for change in reactions.into_iter().chain([edit(3, "x"), pin(3, true), pin(3, false)]) {
        assert_eq!(append_one(&log, &tea, change).await, Outcome::Refused(Refusal::MessageDeleted));
    }
}

pub async fn an_entry_may_be_about_one_of_the_same_call<L: Log>(make: impl AsyncFn() -> L) {
    let (log, tea) = opened(make).await;
    let call =
        [message("1", "a"), edit(1, "b"), react(1, "👍", "bob", true), delete(1), edit(1, "c")].map(new);
    let outcomes = append(&log, &tea, call.to_vec()).await;
    assert_eq!(outcomes[..4], [appended(1, 1), appended(2, 1), appended(3, 1), appended(4, 1)]);
    assert_eq!(outcomes[4], Outcome::Refused(Refusal::MessageDeleted));
    let state = state(&log, &tea, 1).await;
    assert_eq!((state.as_of, state.message.content.as_str()), (4, ""));
    assert_eq!(state.deleted_at, Some(at(0)));
}

pub async fn a_closed_conversation_takes_nothing_new<L: Log>(make: impl AsyncFn() -> L) {
    let (log, tea) = opened(make).await;
    let once = || marked(&tea, "1", message("1", "a"));
    append(&log, &tea, vec![once(), new(room_deleted())]).await;
    let closed = Head { seq: 2, count: 1, closed: true, ..Head::default() };
    assert_eq!(head(&log, &tea).await, closed);
    for entries in
        [vec![new(message("2", "b"))], vec![once(), new(message("2", "b"))], vec![new(edit(9, "x"))]]
    {
        assert!(matches!(log.append(&tea, entries).await, Err(LogError::Closed)));
    }
    assert_eq!(append(&log, &tea, vec![once()]).await, [duplicate(1, 1)]);
    assert_eq!(head(&log, &tea).await, closed);
    assert_eq!(entries(&log, &tea, 0).await.len(), 2);
    assert_eq!(seqs(&log, &tea, Page::Newest, 9).await, [1]);
    assert_eq!(log.open(&tea).await.unwrap(), Head { closed: false, ..closed });
    assert_eq!(append_one(&log, &tea, message("2", "b")).await, appended(3, 2));
}

pub async fn an_append_is_all_or_none<L: Log>(make: impl AsyncFn() -> L) {
    let (log, tea) = opened(make).await;
    let call = || vec![marked(&tea, "1", message("1", "a")), new(room_deleted()), new(message("2", "late"))];
    assert!(matches!(log.append(&tea, call()).await, Err(LogError::Closed)));
    assert_eq!(head(&log, &tea).await, Head::default());
    assert_eq!(entries(&log, &tea, 0).await, []);
    assert_eq!(seqs(&log, &tea, Page::Newest, 9).await, [0; 0]);
    assert_eq!(append(&log, &tea, call()[..1].to_vec()).await, [appended(1, 1)], "no marker was left");
}

pub async fn an_edit_replaces_content_in_the_state_alone<L: Log>(make: impl AsyncFn() -> L) {
    let (log, tea) = opened(make).await;
    append(&log, &tea, [message("1", "a"), message("2", "x")].map(new).to_vec()).await;
    append(&log, &tea, vec![NewEntry { at: at(5), ..new(edit(1, "b")) }]).await;
    let edited = state(&log, &tea, 1).await;
    assert_eq!((edited.seq, edited.number, edited.at, edited.as_of), (1, 1, at(0), 3));
    assert_eq!(
        (edited.message.content.as_str(), edited.edited_at, edited.deleted_at),
        ("b", Some(at(5)), None)
    );
    append(&log, &tea, vec![NewEntry { at: at(6), ..new(edit(1, "c")) }]).await;
    let edited = state(&log, &tea, 1).await;
    assert_eq!((edited.message.content.as_str(), edited.edited_at, edited.as_of), ("c", Some(at(6)), 4));
    let changes: Vec<_> = entries(&log, &tea, 0).await.into_iter().map(|entry| entry.change).collect();
    assert_eq!(changes, [message("1", "a"), message("2", "x"), edit(1, "b"), edit(1, "c")], "entries stay");
    assert_eq!(state(&log, &tea, 2).await.as_of, 2);
}

pub async fn a_deletion_blanks_every_copy_of_the_content<L: Log>(make: impl AsyncFn() -> L) {
    let (log, tea) = opened(make).await;
    let Change::Message(mut secret) = message("1", "secret") else { unreachable!() };
    secret.attachment_url = Some("https://files/secret".into());
    append(&log, &tea, [Change::Message(secret), message("2", "stays")].map(new).to_vec()).await;
    append(&log, &tea, [edit(1, "more secret"), edit(2, "stays too")].map(new).to_vec()).await;
    append(&log, &tea, vec![NewEntry { at: at(5), ..new(edit(1, "most secret")) }]).await;
    append(&log, &tea, vec![NewEntry { at: at(6), ..new(delete(1)) }]).await;
    let changes: Vec<_> = entries(&log, &tea, 0).await.into_iter().map(|entry| entry.change).collect();
    let (blank, kept) = (message("1", ""), message("2", "stays"));
    let expected = [blank, kept, edit(1, ""), edit(2, "stays too"), edit(1, ""), delete(1)];
    assert_eq!(changes, expected, "rows and numbers stay");
    let deleted = state(&log, &tea, 1).await;
    assert!(!format!("{deleted:?}").contains("secret"));
    assert_eq!((deleted.edited_at, deleted.deleted_at, deleted.as_of), (Some(at(5)), Some(at(6)), 6));
    let again = append(&log, &tea, vec![NewEntry { at: at(7), ..new(delete(1)) }]).await;
    assert_eq!(again, [Outcome::Appended { seq: 7, number: 2, at: at(7) }]);
    let still = state(&log, &tea, 1).await;
    assert_eq!(still, MessageState { as_of: 7, ..deleted }, "deleting again changes nothing");
    assert_eq!(state(&log, &tea, 2).await.message.content, "stays too");
}

pub async fn reactions_are_set_not_toggled<L: Log>(make: impl AsyncFn() -> L) {
    let (log, tea) = opened(make).await;
    append_one(&log, &tea, message("1", "a")).await;
    let set = [
        ("👍", "bob", true),
        ("👍", "bob", true),
        ("👍", "cid", true),
        ("🦀", "bob", true),
        ("🦀", "cid", false),
    ];
    let outcomes = append(&log, &tea, set.map(|(emoji, by, on)| new(react(1, emoji, by, on))).to_vec()).await;
    let unchanged = Outcome::Refused(Refusal::Unchanged);
    let expected = [appended(2, 1), unchanged.clone(), appended(3, 1), appended(4, 1), unchanged.clone()];
    assert_eq!(outcomes, expected, "what is so already makes no entry");
    let users = |names: &[&str]| names.iter().map(|name| user(name)).collect::<BTreeSet<_>>();
    let now = state(&log, &tea, 1).await;
    assert_eq!(now.reactions, [("👍".into(), users(&["bob", "cid"])), ("🦀".into(), users(&["bob"]))].into());
    assert_eq!(now.as_of, 4);
    assert_eq!(append_one(&log, &tea, react(1, "👍", "bob", true)).await, unchanged, "in another call too");
    assert_eq!(state(&log, &tea, 1).await, now);
    let taken = [("👍", "cid", false), ("👍", "cid", false), ("🦀", "bob", false)];
    let outcomes =
        append(&log, &tea, taken.map(|(emoji, by, on)| new(react(1, emoji, by, on))).to_vec()).await;
    assert_eq!(outcomes, [appended(5, 1), unchanged, appended(6, 1)]);
    assert_eq!(state(&log, &tea, 1).await.reactions, [("👍".into(), users(&["bob"]))].into());
    let once = || vec![marked(&tea, "set", react(1, "🦀", "bob", true))];
    assert_eq!(append(&log, &tea, once()).await, [appended(7, 1)]);
    assert_eq!(append(&log, &tea, once()).await, [duplicate(7, 1)], "the marker answers first");
}

pub async fn a_message_has_a_bounded_number_of_emoji<L: Log>(make: impl AsyncFn() -> L) {
    let (log, tea) = opened(make).await;
    append(&log, &tea, [message("1", "a"), message("2", "b")].map(new).to_vec()).await;
    let bound = bounds::EMOJI_PER_MESSAGE;
    append(&log, &tea, (0..bound).map(|n| new(react(1, &format!("e{n}"), "bob", true))).collect()).await;
    let before = (head(&log, &tea).await, state(&log, &tea, 1).await);
    assert_eq!(before.1.reactions.len(), bound);
    let refused = Outcome::Refused(Refusal::TooManyReactions);
    assert_eq!(append_one(&log, &tea, react(1, "more", "cid", true)).await, refused);
    assert_eq!((head(&log, &tea).await, state(&log, &tea, 1).await), before, "nothing happened");
    let others = [
        react(1, "e0", "cid", true),
        react(2, "more", "cid", true),
        react(1, "e1", "bob", false),
        react(1, "more", "cid", true),
        react(1, "e1", "bob", true),
        react(1, "e0", "bob", true),
    ];
    let outcomes = append(&log, &tea, others.map(new).to_vec()).await;
    assert!(outcomes[..4].iter().all(|outcome| matches!(outcome, Outcome::Appended { .. })), "{outcomes:?}");
    assert_eq!(outcomes[4], refused, "the place is taken");
    assert_eq!(outcomes[5], Outcome::Refused(Refusal::Unchanged), "it is there");
    assert_eq!(state(&log, &tea, 1).await.reactions.len(), bound);
}

pub async fn a_message_has_a_bounded_number_of_reactions<L: Log>(make: impl AsyncFn() -> L) {
    let (log, tea) = opened(make).await;
    append(&log, &tea, [message("1", "a"), message("2", "b")].map(new).to_vec()).await;
    let bound = bounds::REACTIONS_PER_MESSAGE;
    let reactions: Vec<_> =
        (0..bound).map(|n| new(react(1, &format!("e{}", n % 10), &format!("u{n}"), true))).collect();
    for some in reactions.chunks(100) {
        append(&log, &tea, some.to_vec()).await;
    }
    let counted = |state: &MessageState| state.reactions.values().map(BTreeSet::len).sum::<usize>();
    let before = (head(&log, &tea).await, state(&log, &tea, 1).await);
    assert_eq!(counted(&before.1), bound);
    let refused = Outcome::Refused(Refusal::TooManyReactions);
    assert_eq!(append_one(&log, &tea, react(1, "e0", "late", true)).await, refused, "another user");
    assert_eq!(
        append_one(&log, &tea, react(1, "e1", "u0", true)).await,
        refused,
        "another emoji of the same"
    );
    assert_eq!((head(&log, &tea).await, state(&log, &tea, 1).await), before, "nothing happened");
    let others = [
        react(2, "e0", "late", true),
        react(1, "e5", "u5", false),
        react(1, "e0", "late", true),
        react(1, "e5", "u5", true),
        react(1, "e0", "u0", true),
    ];
    let outcomes = append(&log, &tea, others.map(new).to_vec()).await;
    assert!(outcomes[..3].iter().all(|outcome| matches!(outcome, Outcome::Appended { .. })), "{outcomes:?}");
    assert_eq!(outcomes[3], refused, "the place is taken");
    assert_eq!(outcomes[4], Outcome::Refused(Refusal::Unchanged), "it is there");
    assert_eq!(counted(&state(&log, &tea, 1).await), bound);
}

pub async fn a_deleted_message_has_no_reactions<L: Log>(make: impl AsyncFn() -> L) {
    let (log, tea) = opened(make).await;
    let call = [message("1", "a"), react(1, "👍", "bob", true), react(1, "🦀", "cid", true)];
    append(&log, &tea, call.map(new).to_vec()).await;
    append_one(&log, &tea, delete(1)).await;
    let deleted = state(&log, &tea, 1).await;
    assert_eq!((deleted.reactions.len(), deleted.as_of), (0, 4));
    let refused = Outcome::Refused(Refusal::MessageDeleted);
    assert_eq!(append_one(&log, &tea, react(1, "👍", "bob", false)).await, refused);
}

pub async fn a_message_has_a_bounded_number_of_edits<L: Log>(make: impl AsyncFn() -> L) {
    let (log, tea) = opened(make).await;
    append(&log, &tea, [message("1", "a"), message("2", "b")].map(new).to_vec()).await;
    let bound = bounds::EDITS_PER_MESSAGE as u64;
    for n in 0..bound - 1 {
        assert_eq!(append_one(&log, &tea, edit(1, &format!("v{n}"))).await, appended(n + 3, 2));
    }
    let refused = Outcome::Refused(Refusal::TooManyEdits);
    let last = append(&log, &tea, [edit(1, "last"), edit(1, "late")].map(new).to_vec()).await;
    assert_eq!(last, [appended(bound + 2, 2), refused.clone()], "within a call too");
    let before = (head(&log, &tea).await, state(&log, &tea, 1).await);
    assert_eq!(append(&log, &tea, vec![marked(&tea, "edit", edit(1, "more"))]).await, [refused]);
    assert_eq!((head(&log, &tea).await, state(&log, &tea, 1).await), before, "nothing happened");
    assert_eq!(append_one(&log, &tea, edit(2, "other")).await, appended(bound + 3, 2));
    assert_eq!(append_one(&log, &tea, delete(1)).await, appended(bound + 4, 2));
    let left = entries(&log, &tea, 0).await;
    let about = left.iter().filter(|entry| matches!(entry.change, Change::Edit { target: 1, .. }));
    assert!(about.clone().all(|entry| entry.change == edit(1, "")), "all of them are blank");
    assert_eq!(about.count() as u64, bound);
}

pub async fn pins_are_set_not_toggled<L: Log>(make: impl AsyncFn() -> L) {
    let (log, tea) = opened(make).await;
    append(&log, &tea, (1..=4).map(|n| new(message(&n.to_string(), "x"))).collect()).await;
    let set = [(3, true), (1, true), (3, true), (4, true), (2, false), (1, false), (1, false), (1, true)];
    let outcomes = append(&log, &tea, set.map(|(seq, on)| new(pin(seq, on))).to_vec()).await;
    let unchanged = || Outcome::Refused(Refusal::Unchanged);
    let expected = [
        appended(5, 4),
        appended(6, 4),
        unchanged(),
        appended(7, 4),
        unchanged(),
        appended(8, 4),
        unchanged(),
        appended(9, 4),
    ];
    assert_eq!(outcomes, expected, "what is so already makes no entry");
    assert_eq!(append_one(&log, &tea, pin(3, true)).await, unchanged(), "in another call too");
    let expected = Head { seq: 9, count: 4, pins: vec![3, 4, 1], ..Head::default() };
    assert_eq!(head(&log, &tea).await, expected, "in the order of pinning");
    assert_eq!(log.messages(&tea, Page::Newest, 1).await.unwrap().unwrap().head, expected);
    assert_eq!(log.entries(&tea, 0, 1).await.unwrap().unwrap().head, expected);
    assert_eq!(log.open(&tea).await.unwrap(), expected);
    let as_of: Vec<u64> =
        messages(&log, &tea, Page::Newest, 9).await.iter().map(|state| state.as_of).collect();
    assert_eq!(as_of, [9, 2, 5, 7], "a pin shapes its message");
    let once = || vec![marked(&tea, "unpin", pin(4, false))];
    assert_eq!(append(&log, &tea, once()).await, [appended(10, 4)]);
    append_one(&log, &tea, pin(4, true)).await;
    assert_eq!(append(&log, &tea, once()).await, [duplicate(10, 4)]);
    log.mark_sent(&tea, 11).await.unwrap();
    append_one(&log, &tea, room_deleted()).await;
    assert_eq!(head(&log, &tea).await.pins, [3, 1, 4], "whatever else became of the head");
}

pub async fn a_deletion_unpins<L: Log>(make: impl AsyncFn() -> L) {
    let (log, tea) = opened(make).await;
    let call = [message("1", "a"), message("2", "b"), message("3", "c"), pin(2, true), pin(1, true)];
    append(&log, &tea, call.map(new).to_vec()).await;
    append_one(&log, &tea, delete(2)).await;
    assert_eq!(head(&log, &tea).await.pins, [1]);
    assert_eq!(append_one(&log, &tea, pin(2, true)).await, Outcome::Refused(Refusal::MessageDeleted));
    let outcomes = append(&log, &tea, [pin(3, true), delete(3), pin(3, true)].map(new).to_vec()).await;
    assert_eq!(outcomes[2], Outcome::Refused(Refusal::MessageDeleted), "within a call too");
    assert_eq!(head(&log, &tea).await.pins, [1]);
}

pub async fn a_bounded_number_of_messages_is_pinned<L: Log>(make: impl AsyncFn() -> L) {
    let (log, tea) = opened(make).await;
    let bound = bounds::PINS as u64;
    append(&log, &tea, (0..=bound).map(|n| new(message(&n.to_string(), "x"))).collect()).await;
    append(&log, &tea, (1..=bound).map(|seq| new(pin(seq, true))).collect()).await;
    let before = head(&log, &tea).await;
    assert_eq!(before.pins, (1..=bound).collect::<Vec<_>>());
    let refused = Outcome::Refused(Refusal::TooManyPins);
    assert_eq!(append(&log, &tea, vec![marked(&tea, "pin", pin(bound + 1, true))]).await, [refused]);
    assert_eq!(head(&log, &tea).await, before, "nothing happened");
    let pinned = append_one(&log, &tea, pin(7, true)).await;
    assert_eq!(pinned, Outcome::Refused(Refusal::Unchanged), "it is pinned");
    let call = vec![new(delete(1)), marked(&tea, "pin", pin(bound + 1, true))];
    assert!(matches!(append(&log, &tea, call).await[1], Outcome::Appended { .. }), "there is room again");
    assert_eq!(head(&log, &tea).await.pins, (2..=bound + 1).collect::<Vec<_>>());
}

pub async fn racing_pins_stay_within_their_bound<L: Log + 'static>(make: impl AsyncFn() -> L) {
    let (log, tea) = opened(make).await;
    let (log, bound) = (Arc::new(log), bounds::PINS as u64);
    append(&*log, &tea, (0..bound + 4).map(|n| new(message(&n.to_string(), "x"))).collect()).await;
    append(&*log, &tea, (1..=bound - 4).map(|seq| new(pin(seq, true))).collect()).await;
    let racers = (bound - 3..=bound + 4).map(|seq| {
        let (log, tea) = (Arc::clone(&log), tea.clone());
        tokio::spawn(async move { append_one(&*log, &tea, pin(seq, true)).await })
    });
    let mut won = 0;
    for racer in racers.collect::<Vec<_>>() {
        match racer.await.unwrap() {
            Outcome::Appended { .. } => won += 1,
            outcome => assert_eq!(outcome, Outcome::Refused(Refusal::TooManyPins)),
        }
    }
    assert_eq!((won, head(&*log, &tea).await.pins.len()), (4, bounds::PINS));
}

pub async fn states_are_read_by_seq<L: Log>(make: impl AsyncFn() -> L) {
    let (log, tea) = (make().await, conversation("tea"));
    assert_eq!(log.states(&tea, &[1]).await.unwrap(), [], "before the conversation was opened");
    log.open(&tea).await.unwrap();
    let call = [joined("ann"), message("1", "a"), message("2", "b"), message("3", "c"), edit(3, "B")];
    append(&log, &tea, call.map(new).to_vec()).await;
    append(&log, &tea, [delete(4), react(2, "👍", "bob", true)].map(new).to_vec()).await;
    let all = messages(&log, &tea, Page::Newest, 9).await;
    assert_eq!(log.states(&tea, &[4, 2, 3, 2]).await.unwrap(), all, "ascending, each once");
    assert_eq!(log.states(&tea, &[3]).await.unwrap(), all[1..2]);
    assert_eq!(log.states(&tea, &[0, 1, 5, 6, 99, u64::MAX]).await.unwrap(), [], "no messages");
    assert_eq!(log.states(&tea, &[]).await.unwrap(), []);
    assert_eq!(log.states(&conversation("te"), &[2]).await.unwrap(), []);
    log.trim(&tea, 2).await.unwrap();
    assert_eq!(log.states(&tea, &[2, 3, 4]).await.unwrap(), all[1..], "above the floor");
    append_one(&log, &tea, room_deleted()).await;
    assert_eq!(log.states(&tea, &[3, 4]).await.unwrap(), all[1..], "while closed");
}

pub async fn messages_page_in_both_directions<L: Log>(make: impl AsyncFn() -> L) {
    let (log, tea) = opened(make).await;
    for n in 1..=5 {
        // Messages at 1, 3, 5, 7, 9.
        append(&log, &tea, vec![new(message(&n.to_string(), "x")), new(joined("bob"))]).await;
    }
    let cases: [(Page, usize, &[u64]); 19] = [
        (Page::Newest, 9, &[1, 3, 5, 7, 9]),
        (Page::Newest, 2, &[7, 9]),
        (Page::Newest, 0, &[]),
        (Page::After(0), 2, &[1, 3]),
        (Page::After(1), 2, &[3, 5]),
        (Page::After(2), 2, &[3, 5]),
        (Page::After(7), 9, &[9]),
        (Page::After(9), 9, &[]),
        (Page::After(10), 9, &[]),
        (Page::After(u64::MAX), 9, &[]),
        (Page::After(0), 0, &[]),
        (Page::After(0), usize::MAX, &[1, 3, 5, 7, 9]),
        (Page::Before(u64::MAX), 2, &[7, 9]),
        (Page::Before(9), 2, &[5, 7]),
        (Page::Before(8), 2, &[5, 7]),
        (Page::Before(3), 9, &[1]),
        (Page::Before(1), 9, &[]),
        (Page::Before(0), 9, &[]),
        (Page::Before(9), 0, &[]),
    ];
    for (page, limit, expected) in cases {
        assert_eq!(seqs(&log, &tea, page, limit).await, expected, "{page:?}, {limit}");
    }
    let page = log.messages(&tea, Page::Newest, 1).await.unwrap().unwrap();
    assert_eq!(page.head, Head { seq: 10, count: 5, ..Head::default() });
}

pub async fn entries_page_forward<L: Log>(make: impl AsyncFn() -> L) {
    let (log, tea) = opened(make).await;
    append(&log, &tea, (1..=5).map(|n| new(message(&n.to_string(), "x"))).collect()).await;
    let cases: [(u64, usize, &[u64]); 8] = [
        (0, 9, &[1, 2, 3, 4, 5]),
        (0, 2, &[1, 2]),
        (2, 2, &[3, 4]),
        (4, 9, &[5]),
        (5, 9, &[]),
        (6, 9, &[]),
        (u64::MAX, 9, &[]),
        (0, 0, &[]),
    ];
    for (after, limit, expected) in cases {
        let page = log.entries(&tea, after, limit).await.unwrap().unwrap();
        assert_eq!(
            page.entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(),
            expected,
            "{after}, {limit}"
        );
        assert_eq!(page.head.seq, 5);
    }
}

pub async fn an_entry_may_ask_to_stand_directly_behind_another<L: Log>(make: impl AsyncFn() -> L) {
    let (log, tea) = opened(make).await;
    let behind =
        |seq: u64, id: &str| NewEntry { only_behind: Some(seq), ..marked(&tea, id, message(id, "x")) };
    let appended = |seq: u64| Outcome::Appended { seq, number: seq, at: at(0) };
    assert_eq!(append(&log, &tea, vec![behind(0, "a"), behind(1, "b")]).await, [appended(1), appended(2)]);
    let refused = || Outcome::Refused(Refusal::GoneOn);
    for seq in [0, 1, 3] {
        assert_eq!(append(&log, &tea, vec![behind(seq, "c")]).await, [refused()], "behind {seq}");
    }
    let repeat = append(&log, &tea, vec![behind(0, "a")]).await;
    assert_eq!(repeat, [Outcome::Duplicate { seq: 1, number: 1, at: at(0) }], "a repeat is where it is");
    let others = vec![new(message("d", "x")), behind(2, "c"), behind(3, "c")];
    assert_eq!(append(&log, &tea, others).await, [appended(3), refused(), appended(4)]);
}

pub async fn the_sent_mark_is_clamped_and_only_raised<L: Log>(make: impl AsyncFn() -> L) {
    let (log, tea) = opened(make).await;
    append(&log, &tea, (1..=5).map(|n| new(message(&n.to_string(), "x"))).collect()).await;
    for (mark, expected) in [(0, 0), (2, 2), (1, 2), (2, 2), (9, 5)] {
        log.mark_sent(&tea, mark).await.unwrap();
        assert_eq!(head(&log, &tea).await.sent, expected, "after {mark}");
    }
    append_one(&log, &tea, message("6", "x")).await;
    assert_eq!(head(&log, &tea).await.sent, 5, "clamped to the head of that moment");
    log.mark_sent(&tea, 6).await.unwrap();
    assert_eq!(log.entries(&tea, 9, 1).await.unwrap().unwrap().head.sent, 6);
    assert_eq!(log.messages(&tea, Page::Newest, 1).await.unwrap().unwrap().head.sent, 6);
    assert_eq!(log.open(&tea).await.unwrap().sent, 6);
}

pub async fn trim_raises_the_floor_and_removes_what_is_below<L: Log>(make: impl AsyncFn() -> L) {
    let (log, tea) = opened(make).await;
    append(&log, &tea, (1..=6).map(|n| new(message(&n.to_string(), "x"))).collect()).await;
    append(&log, &tea, vec![new(edit(2, "y")), new(edit(5, "y"))]).await;
    log.trim(&tea, 3).await.unwrap();
    let trimmed = Head { seq: 8, count: 6, floor: 3, ..Head::default() };
    assert_eq!(head(&log, &tea).await, trimmed);
    assert_eq!(entries(&log, &tea, 0).await.iter().map(|e| e.seq).collect::<Vec<_>>(), [4, 5, 6, 7, 8]);
    assert_eq!(entries(&log, &tea, 1).await[0].seq, 4);
    assert_eq!(seqs(&log, &tea, Page::After(0), 9).await, [4, 5, 6]);
    assert_eq!(seqs(&log, &tea, Page::Newest, 9).await, [4, 5, 6]);
    assert_eq!(seqs(&log, &tea, Page::Before(5), 9).await, [4]);
    assert_eq!(seqs(&log, &tea, Page::Before(3), 9).await, [0; 0]);
    for seq in [0, 2, 3] {
        log.trim(&tea, seq).await.unwrap();
        assert_eq!(head(&log, &tea).await, trimmed, "the floor is never lowered");
    }
    append_one(&log, &tea, delete(5)).await;
    assert_eq!(entries(&log, &tea, 7).await[0].change, edit(5, ""), "blanked above the floor");
    log.trim(&tea, u64::MAX).await.unwrap();
    assert_eq!(head(&log, &tea).await, Head { seq: 9, count: 6, floor: 9, ..Head::default() }, "clamped");
    assert_eq!(entries(&log, &tea, 0).await, []);
    assert_eq!(seqs(&log, &tea, Page::Newest, 9).await, [0; 0]);
    assert_eq!(append_one(&log, &tea, message("7", "x")).await, appended(10, 7));
    assert_eq!(entries(&log, &tea, 0).await[0].seq, 10);
}

pub async fn trim_of_a_long_log_removes_all_of_it<L: Log>(make: impl AsyncFn() -> L) {
    let (log, tea) = opened(make).await;
    for _ in 0..5 {
        append(&log, &tea, (0..500).map(|n| new(message(&n.to_string(), "x"))).collect()).await;
    }
    log.trim(&tea, 2_490).await.unwrap();
    assert_eq!(entries(&log, &tea, 0).await.len(), 10);
    assert_eq!(seqs(&log, &tea, Page::After(0), usize::MAX).await, (2_491..=2_500).collect::<Vec<_>>());
    assert_eq!(head(&log, &tea).await, Head { seq: 2_500, count: 2_500, floor: 2_490, ..Head::default() });
}

pub async fn trim_unpins_what_it_removes<L: Log>(make: impl AsyncFn() -> L) {
    let (log, tea) = opened(make).await;
    append(&log, &tea, (1..=6).map(|n| new(message(&n.to_string(), "x"))).collect()).await;
    append(&log, &tea, [5, 2, 3, 6].map(|seq| new(pin(seq, true))).to_vec()).await;
    log.trim(&tea, 1).await.unwrap();
    assert_eq!(head(&log, &tea).await.pins, [5, 2, 3, 6]);
    log.trim(&tea, 3).await.unwrap();
    let trimmed = Head { seq: 10, count: 6, floor: 3, pins: vec![5, 6], ..Head::default() };
    assert_eq!(head(&log, &tea).await, trimmed);
    let refused = Outcome::Refused(Refusal::NoSuchMessage);
    assert_eq!(append_one(&log, &tea, pin(2, false)).await, refused, "there is nothing to unpin");
    log.trim(&tea, u64::MAX).await.unwrap();
    assert_eq!(head(&log, &tea).await.pins, [0; 0]);
}

pub async fn every_field_comes_back_as_it_was<L: Log>(make: impl AsyncFn() -> L) {
    let (log, tea) = opened(make).await;
    let full = NewMessage {
        sender_name: Some("Ann".into()),
        id: super::data::message_id("1"),
        sender: user("ann"),
        content: "漢".repeat(32_000),
        sent_at: Some(at(77)),
        attachment_url: Some("https://files/a?b=%20c".into()),
        reply_to: Some(3),
        to: Some(user("bob")),
    };
    let changes = [
        Change::Message(full.clone()),
        edit(1, "b"),
        react(1, "👩‍👩‍👧", "bob", true),
        Change::Left { user: user("bob"), by: None },
        Change::Left { user: user("bob"), by: Some(user("ann")) },
        Change::RoomChanged { name: "Tea".into(), description: "and \"biscuits\"".into(), by: user("ann") },
        joined("bob"),
        message("2", ""),
        Change::Delete { target: 8, by: user("ann"), reason: Some("spam".into()) },
        Change::RoleChanged { user: user("bob"), role: Role::Moderator, by: user("ann") },
        Change::Sanctioned {
            user: user("cid"),
            kind: SanctionKind::Mute,
            on: true,
            by: user("bob"),
            until: Some(at(88)),
            reason: Some("\"loud\"".into()),
        },
        Change::Sanctioned {
            user: user("cid"),
            kind: SanctionKind::Ban,
            on: false,
            by: user("bob"),
            until: None,
            reason: None,
        },
        pin(1, true),
        Change::RoomDeleted { by: user("ann") },
    ];
    let call =
        changes.iter().zip(0..).map(|(change, n)| NewEntry { at: at(n), ..new(change.clone()) }).collect();
    append(&log, &tea, call).await;
    let read = entries(&log, &tea, 0).await;
    assert_eq!(read.iter().map(|e| &e.change).collect::<Vec<_>>(), changes.iter().collect::<Vec<_>>());
    assert_eq!(read.iter().map(|e| e.at).collect::<Vec<_>>(), (0..14).map(at).collect::<Vec<_>>());
    let state = state(&log, &tea, 1).await;
    assert_eq!(state.message, NewMessage { content: "b".into(), ..full });
    assert_eq!((state.edited_at, state.as_of), (Some(at(1)), 13));
    assert_eq!(head(&log, &tea).await.pins, [1]);
}

pub async fn odd_ids_and_content_come_back_as_they_were<L: Log>(make: impl AsyncFn() -> L) {
    let (log, tea) = opened(make).await;
    let texts = odd_texts();
    for text in &texts {
        let entry = marked(&tea, text, message_by(text, text, text));
        let outcomes = append(&log, &tea, vec![entry.clone(), entry]).await;
        assert!(matches!(outcomes[..], [Outcome::Appended { .. }, Outcome::Duplicate { .. }]), "{text:?}");
        let Outcome::Appended { seq, .. } = outcomes[0] else { unreachable!() };
        append_one(&log, &tea, react(seq, text, text, true)).await;
        let state = state(&log, &tea, seq).await;
        assert_eq!(state.message.sender, user(text));
        assert_eq!(state.message.content, *text);
        assert_eq!(state.reactions, [(text.clone(), [user(text)].into())].into());
    }
    assert_eq!(head(&log, &tea).await.count, texts.len() as u64);
}

pub async fn everything_is_there_again<L: Log>(make: impl AsyncFn() -> L) {
    let once = |tea: &ConversationId| marked(tea, "1", message("1", "a"));
    let (log, tea) = opened(&make).await;
    let gone = conversation("gone");
    append(&log, &tea, vec![once(&tea), new(message("2", "b")), new(edit(1, "c")), new(delete(2))]).await;
    append(&log, &tea, vec![new(pin(1, true))]).await;
    log.open(&gone).await.unwrap();
    append(&log, &gone, vec![once(&gone), new(room_deleted())]).await;
    let before =
        (head(&log, &tea).await, entries(&log, &tea, 0).await, messages(&log, &tea, Page::Newest, 9).await);
    drop(log);

    let log = make().await;
    let after =
        (head(&log, &tea).await, entries(&log, &tea, 0).await, messages(&log, &tea, Page::Newest, 9).await);
    assert_eq!(after, before);
    assert_eq!(after.0.pins, [1]);
    assert_eq!(append(&log, &tea, vec![once(&tea)]).await, [duplicate(1, 1)]);
    assert_eq!(append_one(&log, &tea, message("3", "d")).await, appended(6, 3));
    assert!(matches!(log.append(&gone, vec![new(message("2", "b"))]).await, Err(LogError::Closed)));
    assert_eq!(append(&log, &gone, vec![once(&gone)]).await, [duplicate(1, 1)]);
}

pub async fn a_trimmed_log_goes_on_counting<L: Log>(make: impl AsyncFn() -> L) {
    let (log, tea) = opened(&make).await;
    append(&log, &tea, (1..=5).map(|n| marked(&tea, &n.to_string(), message("x", "x"))).collect()).await;
    log.mark_sent(&tea, 4).await.unwrap();
    append(&log, &tea, vec![new(joined("bob")), new(pin(5, true)), new(pin(2, true))]).await;
    log.trim(&tea, 4).await.unwrap();
    drop(log);

    let log = make().await;
    let sent = head(&log, &tea).await.sent;
    assert_eq!(
        head(&log, &tea).await,
        Head { seq: 8, count: 5, floor: 4, sent, closed: false, pins: vec![5] }
    );
    assert!(sent <= 4, "never more than was sent");
    assert_eq!(entries(&log, &tea, 0).await.iter().map(|e| e.seq).collect::<Vec<_>>(), [5, 6, 7, 8]);
    assert_eq!(append(&log, &tea, vec![marked(&tea, "2", message("x", "x"))]).await, [duplicate(2, 2)]);
    assert_eq!(append_one(&log, &tea, message("6", "x")).await, appended(9, 6));
}

pub async fn redaction_takes_what_a_user_put_into_entries_and_states<L: Log>(make: impl AsyncFn() -> L) {
    let (log, tea) = opened(make).await;
    let Change::Message(mut said) = message("1", "secret") else { return };
    (said.sender_name, said.attachment_url) = (Some("secret name".into()), Some("https://secret".into()));
    let changes = [
        Change::Message(said),
        message_by("bob", "2", "bob's"),
        edit(1, "secret again"),
        react(2, "secret emoji", "ann", true),
        react(2, "tea", "ann", true),
        react(2, "tea", "bob", true),
        react(1, "tea", "bob", true),
        Change::Delete { target: 2, by: user("bob"), reason: Some("bob's own".into()) },
        message_by("bob", "3", "bob's too"),
        react(9, "secret", "ann", true),
        Change::RoomDeleted { by: user("bob") },
    ];
    append(&log, &tea, changes.map(new).to_vec()).await;
    let before = head(&log, &tea).await;
    let bobs = |entries: Vec<Entry>| {
        entries.into_iter().filter(|entry| *entry.change.author() == user("bob")).collect::<Vec<_>>()
    };
    let of_bob = bobs(entries(&log, &tea, 0).await);
    for _ in 0..2 {
        log.redact(&tea, &user("ann"), &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 99], at(9)).await.unwrap();
        let (entries, states) = (entries(&log, &tea, 0).await, messages(&log, &tea, Page::After(0), 9).await);
        let all = format!("{entries:?} {states:?}");
        assert!(!all.contains("secret") && all.contains("bob's too"), "{all}");
        assert_eq!(entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), (1..=11).collect::<Vec<_>>());
        assert_eq!(bobs(entries), of_bob, "what others wrote is untouched");
        assert_eq!(head(&log, &tea).await, before);
        let [ann, _, bob] = states.try_into().unwrap();
        assert_eq!((ann.deleted_at, ann.as_of, ann.number), (Some(at(9)), 7, 1), "nobody is told");
        assert_eq!((ann.message.id.as_str(), ann.reactions.len()), ("1", 0));
        assert_eq!((bob.deleted_at, bob.reactions.len()), (None, 0), "her reaction is gone from his message");
    }
    let nothing = conversation("nothing");
    log.redact(&nothing, &user("ann"), &[1], at(9)).await.unwrap();
    assert_eq!(log.head(&nothing).await.unwrap(), None);
}

pub async fn redaction_loses_nothing_that_is_appended_meanwhile<L: Log + 'static>(make: impl AsyncFn() -> L) {
    let (log, tea) = opened(make).await;
    append(&log, &tea, vec![new(message_by("bob", "1", "his")), new(react(1, "tea", "ann", true))]).await;
    let log = Arc::new(log);
    let appends: Vec<_> = (0..6)
        .map(|n| {
            let (log, tea) = (Arc::clone(&log), tea.clone());
            tokio::spawn(
                async move { append_one(&*log, &tea, react(1, &format!("e{n}"), "bob", true)).await },
            )
        })
        .collect();
    for _ in 0..3 {
        log.redact(&tea, &user("ann"), &[2], at(9)).await.unwrap();
    }
    for append in appends {
        assert!(matches!(append.await.unwrap(), Outcome::Appended { .. }));
    }
    let state = state(&*log, &tea, 1).await;
    let emoji: Vec<_> = state.reactions.keys().cloned().collect();
    assert_eq!(emoji, (0..6).map(|n| format!("e{n}")).collect::<Vec<_>>());
    assert_eq!(entries(&*log, &tea, 0).await.len(), 8);
}

pub async fn conversations_are_listed_by_id_behind_the_cursor<L: Log>(make: impl AsyncFn() -> L) {
    let log = make().await;
    assert_eq!(log.conversations(None, 9).await.unwrap(), []);
    let pair = ConversationId::direct(&user("ann"), &user("bob"));
    let mut all = ["tea", "Tea", "tea-2", "te", "t_a", "0"].map(conversation).to_vec();
    all.push(pair);
    for id in &all {
        log.open(id).await.unwrap();
        append(&log, id, vec![new(message("1", "hi")), new(message("2", "ho"))]).await;
    }
    append_one(&log, &all[0], room_deleted()).await;
    all.sort();
    assert_eq!(log.conversations(None, 9).await.unwrap(), all, "closed ones too");
    let mut paged = Vec::new();
    while let [id] = &log.conversations(paged.last(), 1).await.unwrap()[..] {
        paged.push(id.clone());
    }
    assert_eq!(paged, all);
    assert_eq!(log.conversations(Some(&all[1]), 2).await.unwrap(), all[2..4]);
}
