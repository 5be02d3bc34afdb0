use super::world::*;
use crate::adapters::faulty::Mode;
use crate::chat::{Caller, Kind, NewRoom, PageRequest};
use crate::contract::data::{conversation, user};
use crate::model::{Change, Role};
use crate::ports::LetterKind;

fn named(name: &str) -> NewRoom {
    NewRoom { name: name.to_owned(), ..NewRoom::default() }
}

async fn changes(world: &World, room: &str) -> Vec<Change> {
    let page = world.truth.log.entries(&conversation(room), 0, 1_000).await.unwrap().unwrap();
    page.entries.into_iter().map(|entry| entry.change).collect()
}

#[tokio::test]
async fn the_creator_is_first_member_and_owner() {
    let world = World::open().await;
    let room = world.chat.create_room(&caller("ann"), named("  Tea "), None).await.unwrap();
    assert_eq!((room.name.as_str(), room.member_count, &room.created_by), ("Tea", 1, &user("ann")));
    let member = world.truth.members.get(&room.id, &user("ann")).await.unwrap().unwrap();
    assert_eq!((member.role, member.joined_seq), (Role::Owner, Some(1)));
    assert!(world.is_live_in("ann", &format!("room_{}", room.id)));
    assert_eq!(
        serde_json::to_value(&room).unwrap(),
        serde_json::json!({"id": room.id.as_str(), "name": "Tea", "description": "", "created_by": "ann",
            "created_at": "2027-01-15T08:00:00.000Z", "member_count": 1, "is_private": false})
    );
}

#[tokio::test]
async fn names_are_bounded_and_unique() {
    let world = World::open().await;
    let create = async |new| world.chat.create_room(&caller("ann"), new, None).await;
    create(named("Tea")).await.unwrap();
    let taken = create(named(" tEA ")).await.unwrap_err();
    assert_eq!((taken.kind, taken.code, taken.field), (Kind::Conflict, "room_name_taken", Some("name")));
    assert_eq!(create(named(" ")).await.unwrap_err().code, "missing_field");
    assert_eq!(create(named(&"ä".repeat(51))).await.unwrap_err().code, "too_long");
    assert_eq!(create(named("a\nb")).await.unwrap_err().code, "invalid_name");
    let wordy = NewRoom { description: "x".repeat(1_001), ..named("Wordy") };
    assert_eq!(create(wordy).await.unwrap_err().field, Some("description"));
    assert!(create(named(&"ä".repeat(50))).await.is_ok());
}

#[tokio::test]
async fn a_repeat_with_its_key_gets_the_first_answer_whatever_failed() {
    for fail in 0..12 {
        let world = World::open().await;
        let create = async || world.chat.create_room(&caller("ann"), named("Tea"), Some("key-1")).await;
        world.store.set(Mode::FailNext(0));
        for _ in 0..fail {
            // Each try gets one call further than the last: fails after its effect.
            world.store.set(Mode::FailNextAfterEffect(1));
            let _ = create().await;
        }
        world.store.set(Mode::Quiet);
        let first = create().await.unwrap();
        world.ticker.advance(std::time::Duration::from_secs(5));
        assert_eq!(create().await.unwrap(), first);
        let page = world.chat.list_rooms(&caller("ann"), None, Some(100)).await.unwrap();
        assert_eq!(page.rooms.len(), 2, "general and one more");
        let joins = changes(&world, first.id.as_str()).await.len();
        assert_eq!(joins, 1, "the owner joined once");
        let other = world.chat.create_room(&caller("bob"), named("Bob's"), Some("key-1")).await.unwrap();
        assert_ne!(other.id, first.id, "keys are each caller's own");
    }
}

#[tokio::test]
async fn a_repeat_does_not_bring_back_a_creator_who_left() {
    let world = World::open().await;
    let create = async || world.chat.create_room(&caller("ann"), named("Tea"), Some("key-1")).await;
    let room = create().await.unwrap();
    world.chat.leave_room(&caller("ann"), room.id.as_str()).await.unwrap();
    let told = changes(&world, room.id.as_str()).await.len();
    let again = create().await.unwrap();
    assert_eq!((&again.id, again.member_count), (&room.id, 0));
    assert!(world.truth.members.get(&room.id, &user("ann")).await.unwrap().is_none());
    assert_eq!(changes(&world, room.id.as_str()).await.len(), told);
}

#[tokio::test]
async fn a_room_that_a_failure_left_without_anybody_is_taken_up_by_its_creator() {
    let world = World::open().await;
    let secret = || NewRoom { is_private: true, ..named("Tea") };
    let create = async |who: &str, new: NewRoom| world.chat.create_room(&caller(who), new, None).await;
    // The row is written, and its answer lost.
    world.store.set(Mode::FailCallsAfterEffect("rooms.create"));
    assert!(create("ann", secret()).await.unwrap_err().is_unavailable());
    world.store.set(Mode::Quiet);
    let left = world.truth.rooms.search("tea", None, 1).await.unwrap().pop().unwrap();
    assert_eq!(world.truth.members.count(&left.id).await.unwrap(), 0);
    assert!(world.chat.get_room(&caller("ann"), left.id.as_str()).await.is_ok(), "who made it sees it");
    assert_eq!(create("bob", secret()).await.unwrap_err().code, "room_name_taken");
    assert_eq!(create("ann", named("Tea")).await.unwrap_err().code, "room_name_taken", "this is another");
    let taken_up = create("ann", secret()).await.unwrap();
    assert_eq!((taken_up.id, taken_up.member_count), (left.id.clone(), 1));
    assert_eq!(create("ann", secret()).await.unwrap_err().code, "room_name_taken", "it is there now");
    world.chat.leave_room(&caller("ann"), left.id.as_str()).await.unwrap();
    assert_eq!(create("ann", secret()).await.unwrap_err().code, "room_name_taken", "left on purpose");
    assert_eq!(world.chat.join_room(&caller("ann"), left.id.as_str()).await.unwrap().member_count, 1);
    let row = world.truth.members.get(&left.id, &user("ann")).await.unwrap().unwrap();
    assert_eq!(row.role, Role::Owner, "who made it may come back, and owns it");
}

#[tokio::test]
async fn a_deleted_room_does_not_come_back_by_its_key() {
    let world = World::open().await;
    let create = async || world.chat.create_room(&caller("ann"), named("Tea"), Some("key-1")).await;
    let room = create().await.unwrap();
    world.chat.delete_room(&caller("ann"), room.id.as_str(), None).await.unwrap();
    assert_eq!(create().await.unwrap_err().code, "room_deleted");
}

#[tokio::test]
async fn joining_and_leaving_are_idempotent_and_told_once() {
    let world = World::open().await;
    for _ in 0..3 {
        let room = world.chat.join_room(&caller("bob"), "general").await.unwrap();
        assert_eq!(room.member_count, 1);
    }
    assert!(world.is_live_in("bob", "room_general"));
    for _ in 0..3 {
        let room = world.chat.leave_room(&caller("bob"), "general").await.unwrap();
        assert_eq!(room.member_count, 0);
    }
    assert!(!world.is_live_in("bob", "room_general"));
    world.chat.join_room(&caller("bob"), "general").await.unwrap();
    let kinds: Vec<_> = world.heard("room_general").iter().map(|frame| frame["type"].clone()).collect();
    assert_eq!(kinds, ["joined", "left", "joined"], "also within one millisecond");
    assert_eq!(world.heard("room_general")[0]["user"], "bob");
}

#[tokio::test]
async fn a_join_that_failed_anywhere_is_finished_by_its_repeat() {
    for call in ["members.add", "log.append", "members.confirm"] {
        for after in [false, true] {
            let world = World::open().await;
            // Walk until the failure hits the call in question.
            for skip in 0..8 {
                let before = world.store.calls(call);
                world.store.set(Mode::Random {
                    seed: skip,
                    percent_before: 30,
                    percent_after: u8::from(after) * 30,
                });
                let _ = world.chat.join_room(&caller("bob"), "general").await;
                assert!(world.store.calls(call) >= before);
            }
            world.store.set(Mode::Quiet);
            world.chat.join_room(&caller("bob"), "general").await.unwrap();
            assert_eq!(changes(&world, "general").await.len(), 1, "{call} {after}");
            let member =
                world.truth.members.get(&crate::contract::data::room_id("general"), &user("bob")).await;
            assert_eq!(member.unwrap().unwrap().joined_seq, Some(1));
        }
    }
}

#[tokio::test]
async fn nothing_from_before_joining_is_unread() {
    let world = World::open().await;
    world.say("ann", "general", "m1", "hi").await;
    world.chat.join_room(&caller("bob"), "general").await.unwrap();
    let member = world.truth.members.get(&crate::contract::data::room_id("general"), &user("bob")).await;
    let read = member.unwrap().unwrap().read;
    assert_eq!((read.seq, read.number), (1, 1));
}

#[tokio::test]
async fn a_private_room_does_not_exist_for_others() {
    let world = World::open().await;
    let new = NewRoom { is_private: true, allowed_users: vec!["cat".into()], ..named("Secret") };
    let secret = world.chat.create_room(&caller("ann"), new, None).await.unwrap().id;
    let id = secret.as_str();
    world.say("ann", id, "m1", "hush").await;
    for (who, sees) in [("ann", true), ("cat", true), ("bob", false)] {
        let page = world.chat.list_rooms(&caller(who), None, Some(100)).await.unwrap();
        assert_eq!(page.rooms.iter().any(|room| room.id == secret), sees, "{who}");
        assert_eq!(world.chat.get_room(&caller(who), id).await.is_ok(), sees, "{who}");
    }
    let bob = caller("bob");
    assert_eq!(world.chat.join_room(&bob, id).await.unwrap_err().code, "room_not_found");
    assert_eq!(world.chat.leave_room(&bob, id).await.unwrap_err().code, "room_not_found");
    assert_eq!(world.chat.delete_room(&bob, id, None).await.unwrap_err().code, "room_not_found");
    let history = world.chat.room_history(&bob, id, PageRequest::default()).await;
    assert_eq!(history.unwrap_err().code, "room_not_found");
    let cat = caller("cat");
    let history = world.chat.room_history(&cat, id, PageRequest::default()).await;
    assert_eq!(history.unwrap_err().code, "not_a_member", "allowed to join, not to read from outside");
    world.chat.join_room(&cat, id).await.unwrap();
    assert_eq!(world.history("cat", id).await["messages"][0]["content"], "hush");
}

#[tokio::test]
async fn deleting_is_the_creators_and_takes_everyone_out() {
    let world = World::open().await;
    let tea = world.room("ann", "Tea").await;
    let id = tea.as_str();
    for n in 0..70 {
        world.chat.join_room(&caller(&format!("user-{n}")), id).await.unwrap();
    }
    assert_eq!(
        world.chat.delete_room(&caller("user-1"), id, None).await.unwrap_err().code,
        "not_the_creator"
    );
    let deleted = world.chat.delete_room(&caller("ann"), id, None).await;
    assert!(deleted.is_ok());
    assert_eq!(world.heard(&format!("room_{tea}")).last().unwrap()["type"], "room_deleted");
    assert!(!world.is_live_in("user-69", &format!("room_{tea}")));
    assert_eq!(world.truth.members.count(&tea).await.unwrap(), 0);
    assert_eq!(world.chat.get_room(&caller("ann"), id).await.unwrap_err().kind, Kind::NotFound);
    assert_eq!(world.chat.join_room(&caller("bob"), id).await.unwrap_err().kind, Kind::NotFound);
    assert!(world.chat.create_room(&caller("bob"), named("tea"), None).await.is_ok(), "the name is free");

    let other = world.room("ann", "Other").await;
    let admin = Caller { is_admin: true, ..caller("root") };
    assert_eq!(world.chat.delete_room(&admin, "general", None).await.unwrap_err().code, "room_is_permanent");
    assert!(world.chat.delete_room(&admin, other.as_str(), None).await.is_ok());
    assert!(world.letters(LetterKind::Rejected).await.is_empty());
}

#[tokio::test]
async fn a_deletion_that_failed_is_finished_by_its_repeat() {
    for seed in 0..20 {
        let world = World::open().await;
        let is_private = seed % 2 == 1;
        let tea =
            if is_private { world.private_room("ann", "Tea").await } else { world.room("ann", "Tea").await };
        for n in 0..if is_private { 0 } else { 5 } {
            world.chat.join_room(&caller(&format!("user-{n}")), tea.as_str()).await.unwrap();
        }
        world.store.set(Mode::Random { seed, percent_before: 20, percent_after: 20 });
        for _ in 0..3 {
            let _ = world.chat.delete_room(&caller("ann"), tea.as_str(), None).await;
        }
        world.store.set(Mode::Quiet);
        let _ = world.chat.delete_room(&caller("ann"), tea.as_str(), None).await;
        assert!(world.truth.rooms.get(&tea).await.unwrap().is_none());
        assert_eq!(world.truth.members.count(&tea).await.unwrap(), 0);
        let gone = |change: &&Change| matches!(change, Change::RoomDeleted { .. });
        assert_eq!(changes(&world, tea.as_str()).await.iter().filter(gone).count(), 1);
    }
}

#[tokio::test]
async fn rooms_are_listed_in_pages() {
    let world = World::open().await;
    for n in 0..25 {
        if n % 2 == 0 {
            world.room("ann", &format!("R{n}")).await
        } else {
            world.private_room("bob", &format!("R{n}")).await
        };
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = world.chat.list_rooms(&caller("ann"), after.as_ref(), Some(4)).await.unwrap();
        assert!(page.rooms.len() <= 4);
        seen.extend(page.rooms.into_iter().map(|room| room.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let mut sorted = seen.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!((seen.len(), &sorted), (14, &seen));
}

#[tokio::test]
async fn history_pages_by_exclusive_cursors_and_declares_what_is_gone() {
    let world = World::open().await;
    for n in 1..=20 {
        world.say("ann", "general", &format!("m{n}"), "x").await;
    }
    let page = async |after, before, limit| {
        let request = PageRequest { after, before, limit };
        let history = world.chat.room_history(&caller("bob"), "general", request).await.unwrap();
        let seqs: Vec<_> = history.messages.iter().map(|message| message.seq).collect();
        (seqs, history.next, history.gap.map(|gap| (gap.from, gap.to)))
    };
    assert_eq!(page(None, None, Some(3)).await, (vec![18, 19, 20], Some(18), None));
    assert_eq!(page(None, Some(3), Some(3)).await, (vec![1, 2], None, None));
    assert_eq!(page(Some(5), None, Some(3)).await, (vec![6, 7, 8], Some(8), None));
    assert_eq!(page(Some(18), None, Some(2)).await, (vec![19, 20], None, None));
    assert_eq!(page(Some(99), None, None).await, (vec![], None, None));
    world.truth.log.trim(&conversation("general"), 10).await.unwrap();
    assert_eq!(page(Some(4), None, Some(2)).await, (vec![11, 12], Some(12), Some((5, 10))));
    assert_eq!(page(Some(10), None, Some(1)).await, (vec![11], Some(11), None));
    assert_eq!(page(None, Some(13), None).await, (vec![11, 12], None, Some((1, 10))));
    assert_eq!(page(None, Some(6), None).await, (vec![], None, Some((1, 5))));
    let wrong = PageRequest { after: Some(1), before: Some(2), limit: None };
    assert_eq!(
        world.chat.room_history(&caller("bob"), "general", wrong).await.unwrap_err().code,
        "two_cursors"
    );
    let none = PageRequest { limit: Some(0), ..PageRequest::default() };
    assert_eq!(
        world.chat.room_history(&caller("bob"), "general", none).await.unwrap_err().code,
        "invalid_limit"
    );
}

#[tokio::test]
async fn where_callers_are_known_only_members_read() {
    let world = World::members_only().await;
    let read = async |who| world.chat.room_history(&caller(who), "general", PageRequest::default()).await;
    assert_eq!(read("bob").await.unwrap_err().code, "not_a_member");
    world.chat.join_room(&caller("bob"), "general").await.unwrap();
    assert!(read("bob").await.is_ok());
}

/// The process died behind the entry; an admin repeats, which is another command.
#[tokio::test]
async fn a_deletion_that_a_crash_cut_off_is_told_by_whoever_finishes_it() {
    let mut world = World::open().await;
    let room = world.room("ann", "Tea").await;
    world.chat.join_room(&caller("bob"), room.as_str()).await.unwrap();
    let deleted = crate::contract::data::new(crate::contract::data::room_deleted());
    world.truth.log.append(&room.conversation(), vec![deleted]).await.unwrap();
    world.restart();
    let admin = Caller { is_admin: true, ..caller("root") };
    world.chat.delete_room(&admin, room.as_str(), None).await.unwrap();
    let last = world.heard(&format!("room_{room}")).pop().unwrap();
    assert_eq!((&last["type"], &last["by"]), (&serde_json::json!("room_deleted"), &serde_json::json!("ann")));
    assert!(!world.is_live_in("bob", &format!("room_{room}")));
}
