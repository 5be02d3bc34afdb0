//! What only this technology has to promise: rows that cannot be read, crashes between two transactions, and the end
//! of markers.

use std::path::Path;

use redb::ReadableTableMetadata;

use super::log_rows::{self, EDITS, ENTRIES, HEADS, MARKERS, STATES};
use super::rows::Table;
use super::*;
use crate::adapters::engine::Engine;
use crate::contract::data::{
    at, conversation, delete, edit, inbox_item, invitation, marked, member, message, new, pin, room, room_id,
    sanction, user,
};
use crate::model::bounds::DAY_MILLIS as DAY;
use crate::model::{ConversationId, Profile, SanctionKind, Timestamp};
use crate::ports::{
    DeadLetters, Inbox, Invitations, LetterKind, Log, LogError, Members, NewEntry, Outcome, Page, Profiles,
    Refusal, Rooms, Sanctions, StoreError,
};

pub(super) async fn engine_in(dir: &Path) -> Engine {
    Engine::open(dir.join("store.redb")).await.unwrap()
}

fn rows(engine: &Engine, table: Table) -> u64 {
    engine.read(|txn| Ok(txn.open_table(table)?.len()?)).unwrap()
}

/// Appends to the conversation, opening it first.
async fn fill(log: &FileLog, tea: &ConversationId, entries: Vec<NewEntry>) -> Vec<Outcome> {
    log.open(tea).await.unwrap();
    log.append(tea, entries).await.unwrap()
}

#[tokio::test]
async fn a_trim_that_a_crash_has_cut_short_is_invisible_and_finished_by_the_next() {
    let (dir, tea, other) = (tempfile::tempdir().unwrap(), conversation("tea"), conversation("other"));
    {
        let engine = engine_in(dir.path()).await;
        let log = FileLog::open(&engine).await.unwrap();
        for _ in 0..5 {
            fill(&log, &tea, (0..500).map(|n| new(message(&n.to_string(), "x"))).collect()).await;
        }
        fill(&log, &tea, vec![new(edit(7, "y"))]).await;
        fill(&log, &other, vec![new(message("1", "x"))]).await;
        let raise = {
            let tea = tea.clone();
            move |txn: &redb::WriteTransaction| log_rows::raise_floor(txn, &tea, 2_499)
        };
        engine.write(raise).await.unwrap();
        engine.write(log_rows::remove_below_a_floor).await.unwrap();
        engine.close().await;
    }
    let engine = engine_in(dir.path()).await;
    let log = FileLog::open(&engine).await.unwrap();
    assert!(rows(&engine, ENTRIES) > 1_000, "this test is about rows that are left");
    assert_eq!(log.head(&tea).await.unwrap().unwrap().floor, 2_499);
    assert_eq!(log.entries(&tea, 0, 9).await.unwrap().unwrap().entries.len(), 2);
    for page in [Page::Newest, Page::After(0), Page::Before(u64::MAX)] {
        assert_eq!(log.messages(&tea, page, 9).await.unwrap().unwrap().messages.len(), 1);
    }
    let refused = log.append(&tea, vec![new(edit(2_300, "y"))]).await.unwrap();
    assert_eq!(refused, [Outcome::Refused(Refusal::NoSuchMessage)]);

    log.trim(&other, 0).await.unwrap();
    assert_eq!((rows(&engine, ENTRIES), rows(&engine, STATES), rows(&engine, EDITS)), (3, 2, 0));
    assert_eq!(rows(&engine, log_rows::TRIMS), 0);
}

#[tokio::test]
async fn markers_end_after_90_days_and_not_before() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine_in(dir.path()).await;
    let (log, tea) = (FileLog::open(&engine).await.unwrap(), conversation("tea"));
    let on_day =
        |day: u64, id: String| NewEntry { at: at(day * DAY), ..marked(&tea, &id, message(&id, "x")) };
    for n in 0..12 {
        fill(&log, &tea, vec![on_day(0, format!("old{n}"))]).await;
        fill(&log, &tea, vec![on_day(10, format!("young{n}"))]).await;
    }
    for n in 0..30 {
        fill(&log, &tea, vec![on_day(91, format!("new{n}"))]).await;
    }
    assert_eq!(rows(&engine, MARKERS), 12 + 30);
    for n in 0..12 {
        let young = fill(&log, &tea, vec![on_day(91, format!("young{n}"))]).await;
        assert!(matches!(young[..], [Outcome::Duplicate { .. }]));
    }
}

#[tokio::test]
async fn done_inbox_rows_end_after_90_days_and_waiting_ones_never() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine_in(dir.path()).await;
    let (inbox, me) = (FileInbox::open(&engine).await.unwrap(), user("receiver"));
    let item = |n: u64, day: u64| {
        let mut item = inbox_item("ann", &format!("m{n}"), n);
        item.at = at(day * DAY + n);
        item
    };
    for n in 1..=20 {
        inbox.put(&me, &item(n, 0)).await.unwrap();
    }
    let ids: Vec<String> = (1..=19).map(|n| format!("m{n}")).collect();
    inbox.acknowledge(&me, &ids).await.unwrap();
    inbox.put(&me, &item(1, 0)).await.unwrap();
    assert_eq!(inbox.list(&me, None, None, 99).await.unwrap().len(), 1);
    for n in 101..=120 {
        inbox.put(&me, &item(n, 91)).await.unwrap();
    }
    let done = Table::new("inbox.v1.done");
    assert_eq!(rows(&engine, done), 0);
    assert_eq!(inbox.list(&me, None, None, 99).await.unwrap().len(), 21);
}

#[tokio::test]
async fn sent_marks_are_stored_with_the_next_append_or_when_there_are_many() {
    let dir = tempfile::tempdir().unwrap();
    let tea = conversation("tea");
    let many: Vec<_> = (0..4_100).map(|n| conversation(&format!("room{n}"))).collect();
    {
        let engine = engine_in(dir.path()).await;
        let log = FileLog::open(&engine).await.unwrap();
        fill(&log, &tea, vec![new(message("1", "x")), new(message("2", "x"))]).await;
        let commits = engine.commits();
        log.mark_sent(&tea, 1).await.unwrap();
        assert_eq!(engine.commits(), commits, "a mark has no transaction of its own");
        fill(&log, &tea, vec![new(message("3", "x"))]).await;
        log.mark_sent(&tea, 3).await.unwrap();
        engine.close().await;
    }
    let engine = engine_in(dir.path()).await;
    let log = FileLog::open(&engine).await.unwrap();
    assert_eq!(log.head(&tea).await.unwrap().unwrap().sent, 1);
    let filled = many.iter().map(|id| fill(&log, id, vec![new(message("1", "x"))]));
    futures_util::future::join_all(filled).await;
    let commits = engine.commits();
    for id in &many {
        log.mark_sent(id, 1).await.unwrap();
    }
    assert!(engine.commits() > commits, "they are bounded");
    for id in &many {
        assert_eq!(log.head(id).await.unwrap().unwrap().sent, 1);
    }
}

#[tokio::test]
async fn a_head_without_pins_lies_as_it_did_before_there_were_any() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine_in(dir.path()).await;
    let (log, tea) = (FileLog::open(&engine).await.unwrap(), conversation("tea"));
    let former = [[9_u64, 5, 2, 7].map(u64::to_be_bytes).concat(), vec![1]].concat();
    let row = former.clone();
    let write = move |txn: &redb::WriteTransaction| {
        txn.open_table(HEADS)?.insert(b"tea\0".as_slice(), row.as_slice())?;
        Ok(())
    };
    engine.write(write).await.unwrap();
    let head = log.head(&tea).await.unwrap().unwrap();
    assert_eq!((head.seq, head.count, head.floor, head.sent, head.closed), (9, 5, 2, 7, true));
    assert_eq!(head.pins, [0; 0]);

    log.open(&tea).await.unwrap();
    log.append(&tea, [message("1", "x"), pin(10, true), pin(10, false)].map(new).to_vec()).await.unwrap();
    let length = engine
        .read(|txn| Ok(txn.open_table(HEADS)?.get(b"tea\0".as_slice())?.map(|row| row.value().len())))
        .unwrap();
    assert_eq!(length, Some(former.len()));
}

#[tokio::test]
async fn only_work_under_way_is_in_the_index_of_sanctions() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine_in(dir.path()).await;
    let (sanctions, tea) = (FileSanctions::open(&engine).await.unwrap(), room_id("tea"));
    let index = Table::new("sanctions.v1.unapplied");
    for n in 0..9 {
        let ban = sanction(&format!("user{n}"), SanctionKind::Ban, 1);
        sanctions.put(&tea, &ban).await.unwrap();
        assert_eq!(rows(&engine, index), 1);
        if n % 2 == 0 {
            sanctions.mark_applied(&tea, &ban).await.unwrap();
        } else {
            sanctions.remove(&tea, &ban).await.unwrap();
        }
        assert_eq!(rows(&engine, index), 0);
    }
    assert_eq!(rows(&engine, Table::new("sanctions.v1.sanctions")), 5);
}

#[tokio::test]
async fn an_invitation_that_cannot_be_used_costs_no_transaction() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine_in(dir.path()).await;
    let invitations = FileInvitations::open(&engine).await.unwrap();
    invitations.create(&invitation("a", "tea", 1)).await.unwrap();
    invitations.redeem("a", &user("ann"), at(0)).await.unwrap();
    let commits = engine.commits();
    for (id, name, now) in [("b", "ann", 0), ("a", "ann", 0), ("a", "bob", 0), ("a", "bob", 9_999)] {
        invitations.redeem(id, &user(name), at(now)).await.unwrap();
    }
    assert_eq!(engine.commits(), commits);
}

/// Replaces every value of the table.
async fn spoil(engine: &Engine, table: Table) {
    let spoil = move |txn: &redb::WriteTransaction| {
        let mut table = txn.open_table(table)?;
        let keys: Result<Vec<Vec<u8>>, redb::StorageError> =
            redb::ReadableTable::iter(&table)?.map(|row| Ok(row?.0.value().to_vec())).collect();
        for key in keys? {
            table.insert(key.as_slice(), b"{\"spoilt\"".as_slice())?;
        }
        Ok(())
    };
    engine.write(spoil).await.unwrap();
}

fn is_corrupt<T>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Corrupt { .. }))
}

#[tokio::test]
async fn log_rows_that_cannot_be_read_are_an_error() {
    // Which of the calls below meet a row of the table.
    let tables = [
        (HEADS, [true; 6]),
        (ENTRIES, [false, true, false, false, false, true]),
        (STATES, [false, false, true, false, true, true]),
        (MARKERS, [false, false, false, true, false, false]),
    ];
    for (table, expected) in tables {
        let dir = tempfile::tempdir().unwrap();
        let engine = engine_in(dir.path()).await;
        let (log, tea) = (FileLog::open(&engine).await.unwrap(), conversation("tea"));
        let once = || vec![marked(&tea, "1", message("1", "x"))];
        fill(&log, &tea, once()).await;
        spoil(&engine, table).await;
        let append = async |entries| {
            matches!(log.append(&tea, entries).await, Err(LogError::Store(StoreError::Corrupt { .. })))
        };
        let found = [
            is_corrupt(&log.head(&tea).await),
            is_corrupt(&log.entries(&tea, 0, 9).await),
            is_corrupt(&log.messages(&tea, Page::Newest, 9).await),
            append(once()).await,
            append(vec![new(edit(1, "y"))]).await,
            append(vec![new(delete(1))]).await,
        ];
        assert_eq!(found, expected, "{table}");
    }
}

#[tokio::test]
async fn other_rows_that_cannot_be_read_are_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine_in(dir.path()).await;
    let rooms = FileRooms::open(&engine).await.unwrap();
    let members = FileMembers::open(&engine).await.unwrap();
    let inbox = FileInbox::open(&engine).await.unwrap();
    let letters = FileDeadLetters::open(&engine).await.unwrap();
    let (tea, ann) = (room_id("tea"), user("ann"));
    rooms.create(&room("tea", "Tea")).await.unwrap();
    members.add(&tea, &member("ann")).await.unwrap();
    inbox.put(&ann, &inbox_item("bob", "1", 1)).await.unwrap();
    letters.put(&crate::contract::data::letter(LetterKind::Dead, "a", 1)).await.unwrap();
    let sanctions = FileSanctions::open(&engine).await.unwrap();
    let invitations = FileInvitations::open(&engine).await.unwrap();
    let profiles = FileProfiles::open(&engine).await.unwrap();
    let ban = sanction("ann", SanctionKind::Ban, 1);
    sanctions.put(&tea, &ban).await.unwrap();
    invitations.create(&invitation("a", "tea", 1)).await.unwrap();
    profiles.put(&Profile::of(ann.clone())).await.unwrap();
    for table in [
        "sanctions.v1.sanctions",
        "invitations.v1.invitations",
        "profiles.v1.profiles",
        "rooms.v1.rooms",
        "members.v1.members",
        "members.v1.counts",
        "inbox.v1.waiting",
        "dead_letters.v1.letters",
    ] {
        spoil(&engine, Table::new(table)).await;
    }
    assert!(is_corrupt(&rooms.get(&tea).await));
    assert!(is_corrupt(&rooms.list(None, 9).await));
    assert!(is_corrupt(&rooms.delete(&room("tea", "Tea")).await));
    assert!(is_corrupt(&members.get(&tea, &ann).await));
    assert!(is_corrupt(&members.count(&tea).await));
    assert!(is_corrupt(&members.rooms_of(&ann, None, 9).await));
    assert!(is_corrupt(&members.remove(&tea, &member("ann")).await));
    assert!(is_corrupt(&sanctions.of(&tea, &ann).await));
    assert!(is_corrupt(&sanctions.list(&tea, ban.kind, None, 9).await));
    assert!(is_corrupt(&sanctions.unapplied(None, 9).await));
    assert!(is_corrupt(&sanctions.put(&tea, &ban).await), "its end stands in an index");
    assert!(is_corrupt(&sanctions.mark_applied(&tea, &ban).await));
    assert!(is_corrupt(&sanctions.remove(&tea, &ban).await));
    assert!(is_corrupt(&invitations.get("a").await));
    assert!(is_corrupt(&invitations.redeem("a", &ann, at(0)).await));
    assert!(is_corrupt(&invitations.list(&tea, None, 9).await));
    assert!(is_corrupt(&profiles.get(std::slice::from_ref(&ann)).await));
    assert!(is_corrupt(&profiles.seen(&ann, at(1)).await), "and is not replaced for it");
    assert!(is_corrupt(&inbox.list(&ann, None, None, 9).await));
    assert!(is_corrupt(&inbox.acknowledge(&ann, &["1".to_owned()]).await));
    assert!(is_corrupt(&letters.list(LetterKind::Dead, None, 9).await));
    let id = format!("{}_a", Timestamp::from_millis(at(1).millis()));
    assert!(is_corrupt(&letters.remove(LetterKind::Dead, &id).await));
    assert!(is_corrupt(&letters.remove(LetterKind::Dead, &id).await), "and is not dropped for it");
}
