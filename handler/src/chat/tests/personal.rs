//! One person's data: all of it for themself, and none of it left.

use std::sync::Arc;
use std::time::Duration;

use super::world::*;
use crate::adapters::engine::Engine;
use crate::adapters::faulty::Mode;
use crate::adapters::file::{
    FileAudit, FileDeadLetters, FileErasures, FileInbox, FileInvitations, FileLog, FileMembers, FileProfiles,
    FileRooms, FileSanctions,
};
use crate::chat::{AuditQuery, ChatOptions, ExportRecord, NewSanction, Patience, Ports, Venue};
use crate::contract::data::{message_by, user};
use crate::model::{Role, RoomId, SanctionKind, Timestamp};
use crate::ports::{LetterKind, NewEntry, Page};

/// Whatever the erased person wrote holds this word.
const WORD: &str = "Zanzibar";
const OPTIONS: ChatOptions =
    ChatOptions { anonymous: true, create_on_join: false, moderated: false, retention_days: None };

async fn on_files(dir: &std::path::Path) -> World {
    let engine = Engine::open(dir.join("chat.redb")).await.unwrap();
    let files = Ports {
        log: Arc::new(FileLog::open(&engine).await.unwrap()),
        rooms: Arc::new(FileRooms::open(&engine).await.unwrap()),
        members: Arc::new(FileMembers::open(&engine).await.unwrap()),
        sanctions: Arc::new(FileSanctions::open(&engine).await.unwrap()),
        invitations: Arc::new(FileInvitations::open(&engine).await.unwrap()),
        profiles: Arc::new(FileProfiles::open(&engine).await.unwrap()),
        inbox: Arc::new(FileInbox::open(&engine).await.unwrap()),
        letters: Arc::new(FileDeadLetters::open(&engine).await.unwrap()),
        audit: Arc::new(FileAudit::open(&engine).await.unwrap()),
        erasures: Arc::new(FileErasures::open(&engine).await.unwrap()),
        ..World::open().await.truth
    };
    World::on(OPTIONS, |memory| Ports {
        queue: memory.queue,
        transport: memory.transport,
        clock: memory.clock,
        ids: memory.ids,
        leases: memory.leases,
        ..files
    })
    .await
}

/// Ann, who is to be erased, has left something everywhere. Answers the rooms: two that are there, and one that is gone.
async fn inhabited(world: &World) -> [RoomId; 3] {
    let rooms = [
        world.room("bob", "Tea").await,
        world.private_room("ann", "Secret").await,
        world.room("bob", "Gone").await,
    ];
    world.chat.set_profile(&caller("ann"), Some(&format!("{WORD} A.")), None).await.unwrap();
    for room in &rooms {
        let room = room.as_str();
        for who in ["ann", "bob", "cid"] {
            if world.chat.join_room(&caller(who), room).await.is_err() {
                world.chat.add_member(&caller("ann"), room, who, Role::Member).await.unwrap();
            }
        }
        world.say("ann", room, "a1", &format!("{WORD} one")).await;
        world.say("bob", room, "b1", "from bob").await;
        world.say("ann", room, "a2", &format!("{WORD} two")).await;
        let venue = Venue::Room(room.to_owned());
        let seqs = world.seqs(room).await;
        world
            .chat
            .edit_message(&caller("ann"), &venue, seqs[0], format!("{WORD} edited"), None)
            .await
            .unwrap();
        world.chat.react(&caller("ann"), &venue, seqs[0], WORD, true).await.unwrap();
        let last = *seqs.last().unwrap();
        world.chat.delete_message(&caller("ann"), &venue, last, Some(WORD)).await.unwrap();
    }
    for (from, to, id) in
        [("ann", "bob", "d1"), ("bob", "ann", "d2"), ("ann", "eve", "d3"), ("bob", "cid", "d4")]
    {
        let text = if from == "ann" { format!("{WORD} to {to}") } else { "from bob".to_owned() };
        let direct = world.accept_direct(from, to, id, &text).await;
        world.deliver(&[direct]).await;
    }
    world.chat.delete_room(&caller("bob"), rooms[2].as_str(), None).await.unwrap();
    let late = crate::chat::QueuedMessage::new(
        crate::chat::Target::Room(rooms[2].clone()),
        message_of("ann", "late", &format!("{WORD} too late")),
        None,
    );
    let late = foreign(crate::ports::Entity::Topic, late.to_body().to_vec());
    world.deliver(&[late]).await;
    let ban =
        NewSanction { user: "ann".to_owned(), reason: Some("rude".to_owned()), ..NewSanction::default() };
    world.chat.sanction(&caller("bob"), rooms[0].as_str(), SanctionKind::Ban, ban).await.unwrap();
    let welcome = world.chat.connecting(&user("ann"), "c1").await.unwrap();
    world.wire.opens("c1", &welcome.groups);
    world.chat.connected(&user("ann"), "c1").await.unwrap();
    rooms
}

fn message_of(sender: &str, id: &str, content: &str) -> crate::model::NewMessage {
    match message_by(sender, id, content) {
        crate::model::Change::Message(message) => message,
        _ => unreachable!(),
    }
}

/// All rows of all stores, as text.
async fn everything(world: &World) -> String {
    let ports = &world.truth;
    let mut all = String::new();
    let users = ["ann", "bob", "cid", "eve"].map(user);
    for id in ports.log.conversations(None, 1_000).await.unwrap() {
        let entries = ports.log.entries(&id, 0, 10_000).await.unwrap().unwrap();
        let states = ports.log.messages(&id, Page::After(0), 10_000).await.unwrap().unwrap();
        all += &format!("{id} {entries:?} {states:?}\n");
    }
    for who in &users {
        all += &format!("{:?}\n", ports.inbox.list(who, None, None, 1_000).await.unwrap());
        all += &format!("{:?}\n", ports.leases.of(who).await.unwrap());
    }
    for kind in [LetterKind::Rejected, LetterKind::Dead] {
        all += &format!("{:?}\n", ports.letters.list(kind, None, 1_000).await.unwrap());
    }
    all + &format!("{:?}", ports.profiles.get(&users).await.unwrap())
}

async fn is_erased(world: &World, rooms: &[RoomId; 3], before: &str) {
    let after = everything(world).await;
    assert!(before.contains(WORD) && !after.contains(WORD), "{after}");
    // But for the one that waited in her inbox.
    let of_bob = |text: &str| text.matches("from bob").count();
    assert_eq!(of_bob(&after), of_bob(before) - 1, "what others wrote stays");
    assert!(world.truth.members.rooms_of(&user("ann"), None, 9).await.unwrap().is_empty());
    assert!(world.truth.leases.of(&user("ann")).await.unwrap().is_empty());
    assert!(!world.wire.is_in("c1", "sys_rooms"), "the connection is closed");
    for room in rooms {
        let entries =
            world.truth.log.entries(&room.conversation(), 0, 10_000).await.unwrap().unwrap().entries;
        let seqs: Vec<u64> = entries.iter().map(|entry| entry.seq).collect();
        assert_eq!(seqs, (1..=entries.len() as u64).collect::<Vec<_>>(), "rows and numbers stay");
    }
    let sanctions = world.truth.sanctions.of(&rooms[0], &user("ann")).await.unwrap();
    assert_eq!(sanctions.len(), 1, "erasing oneself lifts no ban");
}

async fn erases_whatever_fails(mut world: World, seeds: std::ops::Range<u64>) {
    let rooms = inhabited(&world).await;
    let before = everything(&world).await;
    let mut asked = false;
    for seed in seeds {
        world.store.set(Mode::Random { seed, percent_before: 4, percent_after: 4 });
        asked = asked || world.chat.erase(&caller("ann"), None).await.is_ok();
        let _ = world.chat.repair().await;
        world.restart();
        world.ticker.advance(Duration::from_secs(90));
    }
    world.store.set(Mode::Quiet);
    world.chat.erase(&caller("ann"), None).await.unwrap();
    world.chat.repair().await.unwrap();
    assert_eq!(world.chat.erasure(&caller("ann"), None).await.unwrap().user, user("ann"));
    for _ in 0..3 {
        world.ticker.advance(Duration::from_secs(11 * 60));
        world.chat.repair().await.unwrap();
    }
    assert_eq!(world.chat.erasure(&caller("ann"), None).await.unwrap().status, "done");
    is_erased(&world, &rooms, &before).await;
    let told = world.heard(&format!("room_{}", rooms[0]));
    assert!(told.iter().any(|frame| frame["type"] == "delete" && frame["by"] == "ann"), "{told:?}");
}

#[tokio::test]
async fn erasing_leaves_nothing_whatever_fails_on_the_way() {
    for first in [0, 100, 200, 300] {
        erases_whatever_fails(World::open().await, first..first + 6).await;
    }
}

#[tokio::test]
async fn erasing_leaves_nothing_in_files() {
    let dir = tempfile::tempdir().unwrap();
    erases_whatever_fails(on_files(dir.path()).await, 0..4).await;
}

#[tokio::test]
async fn what_was_in_the_queue_goes_with_the_last_lap() {
    let world = World::open().await;
    let waiting = world.accept("ann", "general", "1", &format!("{WORD} queued")).await;
    let asked = world.chat.erase(&caller("ann"), None).await.unwrap();
    assert_eq!(asked.status, "under_way");
    world.chat.repair().await.unwrap();
    world.deliver(&[waiting]).await;
    for _ in 0..2 {
        world.chat.repair().await.unwrap();
        assert_eq!(world.chat.erasure(&caller("ann"), None).await.unwrap().status, "under_way");
    }
    world.ticker.advance(Duration::from_secs(11 * 60));
    world.chat.repair().await.unwrap();
    assert_eq!(world.chat.erasure(&caller("ann"), None).await.unwrap().status, "done");
    assert!(!everything(&world).await.contains(WORD));
    // The id may be used again, and asked for again.
    world.say("ann", "general", "2", "anew").await;
    assert_eq!(world.contents(&RoomId::new("general").unwrap().conversation()).await, ["", "anew"]);
    assert_eq!(world.chat.erase(&caller("ann"), None).await.unwrap().status, "under_way");
}

/// Those that wait for the queue keep no place that another needs.
#[tokio::test]
async fn erasures_that_wait_hold_up_no_others() {
    let world = World::open().await;
    let people: Vec<_> = (0..12).map(|n| format!("user{n:02}")).collect();
    for person in &people {
        world.say(person, "general", "1", WORD).await;
        world.chat.erase(&caller(person), None).await.unwrap();
    }
    // A round takes four at a time; their first laps are over before any may begin its last.
    for _ in 0..4 {
        world.chat.repair().await.unwrap();
    }
    assert!(!everything(&world).await.contains(WORD));
}

/// One round has its bound, and the next goes on where it stopped, in the middle of a conversation too.
#[tokio::test]
async fn a_long_conversation_is_gone_through_whatever_breaks_off() {
    let mut world = World::open().await;
    let general = RoomId::new("general").unwrap().conversation();
    let said = |n: usize| NewEntry {
        marker: None,
        at: Timestamp::from_millis(START),
        change: message_by(if n.is_multiple_of(3) { "ann" } else { "bob" }, &n.to_string(), WORD),
        only_behind: None,
    };
    world.truth.log.append(&general, (0..4_500).map(said).collect()).await.unwrap();
    world.chat.erase(&caller("ann"), None).await.unwrap();
    let place = async |world: &World| world.truth.erasures.get(&user("ann")).await.unwrap().unwrap().within;
    let mut places = Vec::new();
    while places.len() < 2 {
        // The process dies as soon as it has noted how far it is.
        let chat = Arc::clone(&world.chat);
        let before = place(&world).await;
        let round = tokio::spawn(async move { chat.repair().await });
        while place(&world).await == before && !round.is_finished() {
            tokio::task::yield_now().await;
        }
        round.abort();
        let _ = round.await;
        world.restart();
        places.push(place(&world).await);
    }
    assert!(places[0].is_some() && places[0] != places[1], "{places:?}");
    for _ in 0..3 {
        world.chat.repair().await.unwrap();
        world.ticker.advance(Duration::from_secs(11 * 60));
    }
    assert_eq!(world.chat.erasure(&caller("ann"), None).await.unwrap().status, "done");
    let contents = world.contents(&general).await;
    assert_eq!(contents.iter().filter(|content| content.is_empty()).count(), 1_500);
    assert_eq!(contents.len(), 4_500);
}

#[tokio::test]
async fn data_of_others_is_for_admins() {
    let world = World::open().await;
    inhabited(&world).await;
    let refused = [
        world.chat.export(&caller("bob"), Some("ann"), None).await.unwrap_err(),
        world.chat.erase(&caller("bob"), Some("ann")).await.unwrap_err(),
        world.chat.erasure(&caller("bob"), Some("ann")).await.unwrap_err(),
    ];
    assert!(refused.iter().all(|refused| refused.code == "admins_only"), "{refused:?}");
    assert_eq!(world.chat.erasure(&caller("bob"), Some("bob")).await.unwrap_err().code, "erasure_not_found");
    world.chat.export(&admin("root"), Some("ann"), None).await.unwrap();
    for _ in 0..2 {
        assert_eq!(world.chat.erase(&admin("root"), Some("ann")).await.unwrap().requested_by, user("root"));
    }
    let records = world.chat.list_audit(&admin("root"), &AuditQuery::default()).await.unwrap().records;
    let on_ann = records.iter().filter(|record| record.action.starts_with("user."));
    let mut acts: Vec<_> = on_ann.map(|record| (record.action.as_str(), record.on.clone())).collect();
    acts.sort();
    assert_eq!(acts, [("user.erase", Some(user("ann"))), ("user.export", Some(user("ann")))]);
    for cursor in ["", "x", "e30", "bnVsbA"] {
        let refused = world.chat.export(&caller("bob"), None, Some(cursor)).await.unwrap_err();
        assert_eq!((refused.code, refused.field), ("invalid_cursor", Some("after")), "{cursor}");
    }
}

/// A cursor is easily made up, and a page is one whatever came before it.
#[tokio::test]
async fn every_page_of_somebody_elses_data_is_on_record() {
    let world = World::open().await;
    inhabited(&world).await;
    let records = async || {
        let query = AuditQuery { action: Some("user.export".to_owned()), ..AuditQuery::default() };
        world.chat.list_audit(&admin("root"), &query).await.unwrap().records
    };
    // Base64 of "profile", where an export begins.
    world.chat.export(&admin("root"), Some("ann"), Some("InByb2ZpbGUi")).await.unwrap();
    assert_eq!(records().await[0].target.as_deref(), Some("profile"));
    let (mut after, mut pages) = (None, 0);
    loop {
        let page = world.chat.export(&admin("root"), Some("ann"), after.as_deref()).await.unwrap();
        (after, pages) = (page.next, pages + 1);
        if after.is_none() {
            break;
        }
    }
    assert_eq!(records().await.len(), 1 + pages);
    world.store.set(Mode::FailCalls("audit.append"));
    for after in [None, Some("InByb2ZpbGUi")] {
        let refused = world.chat.export(&admin("root"), Some("ann"), after).await.unwrap_err();
        assert_eq!(refused.code, "audit_unavailable", "nothing is shown off the record");
    }
    world.chat.export(&caller("ann"), None, None).await.unwrap();
}

#[tokio::test]
async fn an_export_holds_all_of_one_person_and_nothing_of_others() {
    let world = World::open().await;
    inhabited(&world).await;
    // More than a page of one conversation, and more conversations than a page looks into.
    for n in 0..450 {
        world.say("ann", "general", &format!("many-{n}"), &format!("{WORD} {n}")).await;
    }
    for n in 0..60 {
        world.room("bob", &format!("Other {n}")).await;
    }
    // Letters of every kind: one of hers was refused, as its room is gone.
    for (who, id) in [("ann", "w1"), ("bob", "w2")] {
        let waiting = world.accept(who, "general", id, &format!("letter of {who}")).await;
        world.chat.bury(&[waiting], Patience::Forever).await.unwrap();
        let poison = format!(r#"{{"SenderID":"{who}","ReceiverID":7,"MessageText":"poison of {who}"}}"#);
        world.deliver(&[foreign(crate::ports::Entity::Queue, poison)]).await;
    }
    let (mut records, mut after, mut pages) = (Vec::new(), None::<String>, 0);
    loop {
        let page = world.chat.export(&caller("ann"), None, after.as_deref()).await.unwrap();
        assert!(page.records.len() < 800, "a page is bounded");
        records.extend(page.records);
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
        assert!(pages < 100);
    }
    let count = |is: fn(&ExportRecord) -> bool| records.iter().filter(|record| is(record)).count();
    assert_eq!(count(|record| matches!(record, ExportRecord::Profile { .. })), 1);
    assert_eq!(
        count(|record| matches!(record, ExportRecord::Membership { .. })),
        1,
        "banned from one, one is gone"
    );
    assert_eq!(count(|record| matches!(record, ExportRecord::Sanction { .. })), 1);
    assert_eq!(count(|record| matches!(record, ExportRecord::Inbox { .. })), 1);
    // In each of three rooms: two messages, an edit, a reaction, a deletion; and two direct ones.
    assert_eq!(count(|record| matches!(record, ExportRecord::Entry { .. })), 3 * 5 + 2 + 450);
    assert_eq!(count(|record| matches!(record, ExportRecord::Letter { .. })), 3);
    let text = serde_json::to_string(&records).unwrap();
    for of_hers in ["too late", "letter of ann", "poison of ann"] {
        assert!(text.contains(of_hers), "{of_hers}: {text}");
    }
    assert!(!text.contains("of bob"), "{text}");
    assert_eq!(text.matches("from bob").count(), 1, "what waits for her in her inbox");
}
