use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::world::*;
use crate::adapters::faulty::{Faults, Faulty, Mode};
use crate::chat::{Caller, Kind, PageRequest, Venue};
use crate::contract::data::{conversation, delete, new, pin, react, user};
use crate::model::{Change, ConversationId, Marker, ReadMark, Role, bounds};
use crate::ports::Page;

fn general() -> Venue {
    Venue::Room("general".to_owned())
}

fn with(who: &str) -> Venue {
    Venue::With(who.to_owned())
}

fn admin() -> Caller {
    Caller { is_admin: true, ..caller("root") }
}

async fn changes(world: &World, conversation: &ConversationId) -> Vec<Change> {
    let page = world.truth.log.entries(conversation, 0, 1_000).await.unwrap();
    page.map(|page| page.entries).unwrap_or_default().into_iter().map(|entry| entry.change).collect()
}

async fn ask(world: &World, who: &str, frame: Value) -> Value {
    let answer = world.chat.text_frame(&socket(who, "c1"), frame.to_string().as_bytes()).await;
    serde_json::from_slice(&answer).unwrap()
}

/// Nothing in log, history, state, inbox or entries holds the word.
async fn assert_gone(world: &World, conversation: &ConversationId, word: &str) {
    let entries = changes(world, conversation).await;
    assert!(!format!("{entries:?}").contains(word), "{entries:?}");
    let page = world.truth.log.messages(conversation, Page::Newest, 100).await.unwrap();
    assert!(!format!("{page:?}").contains(word), "{page:?}");
}

#[tokio::test]
async fn only_the_author_edits_and_everybody_sees_the_present_state() {
    let world = World::open().await;
    world.say("ann", "general", "m1", "helo").await;
    for stranger in [caller("bob"), admin()] {
        let refused = world.chat.edit_message(&stranger, &general(), 1, "x".into(), None).await.unwrap_err();
        assert_eq!((refused.kind, refused.code), (Kind::Forbidden, "not_the_author"));
    }
    world.ticker.advance(std::time::Duration::from_secs(1));
    let changed = world.chat.edit_message(&caller("ann"), &general(), 1, "hello".into(), None).await.unwrap();
    assert_eq!(changed.entry.unwrap().seq, 2);
    let wanted = json!({"type": "message", "id": "m1", "seq": 1, "number": 1, "room_id": "general",
        "room_name": "General", "sender": "ann", "content": "hello", "timestamp": "2027-01-15T08:00:00.000Z",
        "edited_at": "2027-01-15T08:00:01.000Z", "as_of": 2});
    assert_eq!(serde_json::to_value(&changed.message).unwrap(), wanted);
    assert_eq!(world.history("bob", "general").await["messages"], json!([wanted]));
    let one = world.chat.message(&caller("bob"), &general(), 1).await.unwrap();
    assert_eq!(serde_json::to_value(one).unwrap(), wanted);
    let frame = world.heard("room_general").pop().unwrap();
    assert_eq!(
        frame,
        json!({"type": "edit", "seq": 2, "number": 1, "room_id": "general", "room_name": "General",
        "target": 1, "content": "hello", "by": "ann", "timestamp": "2027-01-15T08:00:01.000Z"})
    );
}

#[tokio::test]
async fn what_cannot_be_edited_says_why() {
    let world = World::open().await;
    world.say("ann", "general", "m1", "one").await;
    let edit = async |seq, content: &str| {
        world.chat.edit_message(&caller("ann"), &general(), seq, content.to_owned(), None).await.unwrap_err()
    };
    assert_eq!((edit(9, "x").await.kind, edit(9, "x").await.code), (Kind::NotFound, "message_not_found"));
    assert_eq!(edit(1, " ").await.code, "empty_content");
    assert_eq!(edit(1, &"x".repeat(bounds::CONTENT_UTF16_UNITS + 1)).await.code, "content_too_long");
    world.chat.delete_message(&caller("ann"), &general(), 1, None).await.unwrap();
    assert_eq!((edit(1, "x").await.kind, edit(1, "x").await.code), (Kind::Conflict, "message_deleted"));

    let world = World::members_only().await;
    world.chat.join_room(&caller("ann"), "general").await.unwrap();
    world.say("ann", "general", "m1", "one").await;
    world.chat.leave_room(&caller("ann"), "general").await.unwrap();
    let refused = world.chat.edit_message(&caller("ann"), &general(), 2, "x".into(), None).await.unwrap_err();
    assert_eq!(refused.code, "not_a_member");
}

#[tokio::test]
async fn a_repeated_edit_is_one_entry_and_an_edit_back_is_another() {
    let world = World::open().await;
    world.say("ann", "general", "m1", "a").await;
    let edit = async |content: &str, key| {
        world.chat.edit_message(&caller("ann"), &general(), 1, content.to_owned(), key).await.unwrap()
    };
    assert_eq!(edit("b", None).await.entry.unwrap().seq, 2);
    assert!(edit("b", None).await.entry.is_none());
    assert_eq!(edit("a", None).await.entry.unwrap().seq, 3);
    assert_eq!(edit("b", None).await.entry.unwrap().seq, 4);
    assert_eq!(edit("c", Some("k1")).await.entry.unwrap().seq, 5);
    assert_eq!(edit("d", Some("k2")).await.entry.unwrap().seq, 6);
    let late = edit("c", Some("k1")).await;
    assert_eq!(
        (late.entry.unwrap().seq, late.message.state.message.content.as_str()),
        (5, "d"),
        "not undone"
    );
    world.chat.delete_message(&caller("ann"), &general(), 1, None).await.unwrap();
    assert_eq!(edit("d", Some("k2")).await.entry.unwrap().seq, 6, "whatever became of it");
}

#[tokio::test]
async fn a_repeat_of_an_edit_that_changed_nothing_undoes_no_later_one() {
    let world = World::open().await;
    world.say("ann", "general", "m1", "a").await;
    let edit = async |content: &str, key| {
        world.chat.edit_message(&caller("ann"), &general(), 1, content.to_owned(), key).await.unwrap()
    };
    let first = edit("a", Some("k1")).await;
    edit("b", None).await;
    let late = edit("a", Some("k1")).await;
    assert_eq!(late.message.state.message.content, "b");
    assert_eq!((first.entry, late.entry.unwrap().seq), (late.entry, 2));
}

#[tokio::test]
async fn a_message_is_edited_a_bounded_number_of_times_and_deleted_then() {
    let world = World::open().await;
    world.say("ann", "general", "m1", "a").await;
    let edit = async |content: &str| {
        world.chat.edit_message(&caller("ann"), &general(), 1, content.to_owned(), None).await
    };
    for n in 0..bounds::EDITS_PER_MESSAGE {
        edit(&format!("secret {n}")).await.unwrap();
    }
    let refused = edit("more").await.unwrap_err();
    assert_eq!((refused.kind, refused.code), (Kind::Conflict, "too_many_edits"));
    world.chat.delete_message(&caller("ann"), &general(), 1, None).await.unwrap();
    assert_gone(&world, &conversation("general"), "secret").await;
}

/// Two repeats that read the message at different moments have different markers.
#[tokio::test]
async fn a_reaction_or_pin_that_was_set_meanwhile_is_no_second_entry() {
    let world = World::open().await;
    world.say("ann", "general", "m1", "hi").await;
    world.chat.react(&caller("bob"), &general(), 1, "👍", true).await.unwrap();
    world.chat.pin(&admin(), "general", 1, true).await.unwrap();
    let before = world.heard("room_general").len();
    for change in [react(1, "👍", "bob", true), pin(1, true)] {
        let scene = world.chat.scene_to_read(&caller("bob"), &general()).await.unwrap();
        let marker = Marker::of_command(&conversation("general"), &user("bob"), "late", "1");
        let changed = world.chat.change_message(&caller("bob"), scene, 1, marker, change).await.unwrap();
        assert!(changed.entry.is_none(), "as one that found it set");
        assert_eq!((changed.message.state.as_of, changed.message.state.reactions["👍"].len()), (3, 1));
    }
    assert_eq!(changes(&world, &conversation("general")).await.len(), 3);
    assert_eq!(world.heard("room_general").len(), before, "and nobody is told");
}

#[tokio::test]
async fn deletion_blanks_everywhere_and_is_for_authors_and_moderators() {
    let world = World::open().await;
    let room = world.room("ann", "Tea").await;
    for who in ["bob", "cat"] {
        world.chat.join_room(&caller(who), room.as_str()).await.unwrap();
    }
    let (venue, log) = (Venue::Room(room.to_string()), room.conversation());
    world.say("bob", room.as_str(), "m1", "secret one").await;
    world.chat.edit_message(&caller("bob"), &venue, 4, "secret two".into(), None).await.unwrap();
    let refused = world.chat.delete_message(&caller("cat"), &venue, 4, None).await.unwrap_err();
    assert_eq!(refused.code, "not_permitted");
    world.truth.members.set_role(&room, &user("cat"), Role::Moderator).await.unwrap();
    let deleted = world.chat.delete_message(&caller("cat"), &venue, 4, Some(" rude ")).await.unwrap();
    assert_eq!((deleted.entry.unwrap().seq, deleted.message.state.message.content.as_str()), (6, ""));
    assert_gone(&world, &log, "secret").await;
    let frame = world.heard(&format!("room_{room}")).pop().unwrap();
    assert_eq!(
        (&frame["type"], &frame["target"], &frame["by"], &frame["reason"]),
        (&json!("delete"), &json!(4), &json!("cat"), &json!("rude"))
    );
    let again = world.chat.delete_message(&caller("bob"), &venue, 4, None).await.unwrap();
    assert!(again.entry.is_none());
    assert_eq!(changes(&world, &log).await.len(), 6);
    let long = "x".repeat(bounds::REASON_CHARS + 1);
    assert_eq!(
        world.chat.delete_message(&caller("bob"), &venue, 4, Some(&long)).await.unwrap_err().code,
        "too_long"
    );
}

#[tokio::test]
async fn a_direct_message_that_is_deleted_waits_for_nobody() {
    let world = World::open().await;
    let received = world.accept_direct("ann", "bob", "m1", "secret").await;
    world.deliver(&[received]).await;
    let refused = world.chat.delete_message(&caller("bob"), &with("ann"), 1, None).await.unwrap_err();
    assert_eq!(refused.code, "not_the_author", "whom it is to cannot take it back");
    world.chat.delete_message(&caller("ann"), &with("bob"), 1, None).await.unwrap();
    assert_gone(&world, &pair("ann", "bob"), "secret").await;
    let inbox = world.chat.inbox(&caller("bob"), None, None, None).await.unwrap();
    assert!(inbox.items.is_empty());
    for group in ["user_ann", "user_bob"] {
        let frame = world.heard(group).pop().unwrap();
        assert_eq!(
            (&frame["type"], &frame["to"], &frame["by"]),
            (&json!("delete"), &json!("bob"), &json!("ann"))
        );
    }
    let found = world.chat.message(&caller("cat"), &with("bob"), 1).await.unwrap_err();
    assert_eq!(found.code, "message_not_found", "of others' conversations nobody learns");
}

/// The process dies behind the append of the deletion. Whatever is said next finishes it.
#[tokio::test]
async fn a_deletion_that_a_crash_cut_off_still_reaches_the_inbox() {
    let mut world = World::open().await;
    let direct = pair("ann", "bob");
    let received = world.accept_direct("ann", "bob", "m1", "secret").await;
    world.deliver(&[received]).await;
    world.truth.log.append(&direct, vec![new(delete(1))]).await.unwrap();
    world.restart();
    let received = world.accept_direct("bob", "ann", "m2", "hello").await;
    world.deliver(&[received]).await;
    let inbox = world.chat.inbox(&caller("bob"), None, None, None).await.unwrap();
    assert!(inbox.items.is_empty(), "{:?}", inbox.items);
}

/// It dies there too, and the author repeats.
#[tokio::test]
async fn a_repeated_deletion_clears_the_inbox() {
    let mut world = World::open().await;
    let received = world.accept_direct("ann", "bob", "m1", "secret").await;
    world.deliver(&[received]).await;
    world.truth.log.append(&pair("ann", "bob"), vec![new(delete(1))]).await.unwrap();
    world.restart();
    world.chat.delete_message(&caller("ann"), &with("bob"), 1, None).await.unwrap();
    let inbox = world.chat.inbox(&caller("bob"), None, None, None).await.unwrap();
    assert!(inbox.items.is_empty());
}

#[tokio::test]
async fn reactions_are_set_and_never_toggled() {
    let world = World::open().await;
    world.say("ann", "general", "m1", "hi").await;
    for _ in 0..3 {
        world.chat.react(&caller("bob"), &general(), 1, "👍", true).await.unwrap();
    }
    world.chat.react(&caller("ann"), &general(), 1, "👍", true).await.unwrap();
    world.chat.react(&caller("ann"), &general(), 1, "🎉", true).await.unwrap();
    let view = world.chat.reactions(&caller("bob"), &general(), 1).await.unwrap();
    assert_eq!(
        serde_json::to_value(view).unwrap(),
        json!({"seq": 1, "reactions": {"👍": 2, "🎉": 1}, "mine": ["👍"]})
    );
    let message = &world.history("bob", "general").await["messages"][0];
    assert_eq!((&message["reactions"], &message["as_of"]), (&json!({"👍": 2, "🎉": 1}), &json!(4)));
    let who = async |after, limit| {
        let page = world.chat.reacted(&caller("bob"), &general(), 1, "👍", after, limit).await.unwrap();
        serde_json::to_value(page).unwrap()
    };
    assert_eq!(who(None, Some(1)).await, json!({"emoji": "👍", "users": ["ann"], "next": "ann"}));
    assert_eq!(who(Some("ann"), Some(1)).await, json!({"emoji": "👍", "users": ["bob"]}));
    for _ in 0..2 {
        world.chat.react(&caller("bob"), &general(), 1, "👍", false).await.unwrap();
    }
    // Set again after it was taken away: another entry, although it says the same.
    world.chat.react(&caller("bob"), &general(), 1, "👍", true).await.unwrap();
    assert_eq!(changes(&world, &conversation("general")).await.len(), 6);
    let frame = world.heard("room_general").pop().unwrap();
    assert_eq!(
        frame,
        json!({"type": "reaction", "seq": 6, "number": 1, "room_id": "general",
        "room_name": "General", "target": 1, "emoji": "👍", "by": "bob", "on": true,
        "timestamp": "2027-01-15T08:00:00.000Z"})
    );
    world.chat.delete_message(&caller("ann"), &general(), 1, None).await.unwrap();
    for emoji in ["👍", "🎈"] {
        let refused = world.chat.react(&caller("bob"), &general(), 1, emoji, true).await.unwrap_err();
        assert_eq!(refused.code, "message_deleted");
    }
}

#[tokio::test]
async fn pins_are_moderators_bounded_and_end_with_the_message() {
    let world = World::open().await;
    for n in 1..=bounds::PINS + 1 {
        world.say("ann", "general", &n.to_string(), "x").await;
    }
    let pin = async |by: &Caller, seq, on| world.chat.pin(by, "general", seq, on).await;
    assert_eq!(pin(&caller("ann"), 1, true).await.unwrap_err().code, "not_a_member");
    assert_eq!(pin(&admin(), 999, true).await.unwrap_err().code, "message_not_found");
    for seq in [2, 1, 2, 1] {
        pin(&admin(), seq, true).await.unwrap();
    }
    let head = world.head(&conversation("general")).await;
    assert_eq!((head.pins, head.seq), (vec![2, 1], bounds::PINS as u64 + 3));
    world.chat.edit_message(&caller("ann"), &general(), 2, "new".into(), None).await.unwrap();
    let pins = serde_json::to_value(world.chat.pinned(&caller("bob"), "general").await.unwrap()).unwrap();
    assert_eq!((&pins["messages"][0]["content"], &pins["messages"][1]["seq"]), (&json!("new"), &json!(1)));
    world.chat.delete_message(&caller("ann"), &general(), 1, None).await.unwrap();
    assert_eq!(pin(&admin(), 2, false).await.unwrap().pins, [0; 0]);
    assert_eq!(pin(&admin(), 1, true).await.unwrap_err().code, "message_deleted");
    for seq in 2..=bounds::PINS as u64 + 1 {
        pin(&admin(), seq, true).await.unwrap();
    }
    world.say("ann", "general", "last", "x").await;
    let last = world.head(&conversation("general")).await.seq;
    assert_eq!(pin(&admin(), last, true).await.unwrap_err().code, "too_many_pins");
}

#[tokio::test]
async fn readers_are_the_members_whose_mark_is_there() {
    let world = World::open().await;
    for who in ["ann", "bob", "cat", "dan"] {
        world.chat.join_room(&caller(who), "general").await.unwrap();
    }
    world.say("ann", "general", "m1", "x").await;
    for (who, seq) in [("bob", 5), ("cat", 4), ("dan", 6)] {
        let mark = ReadMark { seq, number: 1 };
        let general = crate::contract::data::room_id("general");
        world.truth.members.raise_mark(&general, &user(who), mark).await.unwrap();
    }
    let (mut after, mut found) = (None::<String>, Vec::new());
    loop {
        let page = world.chat.readers(&caller("bob"), "general", 5, after.as_deref(), Some(1)).await.unwrap();
        found.extend(page.readers.into_iter().map(|reader| (reader.user.to_string(), reader.read_seq)));
        let Some(next) = page.next else { break };
        after = Some(next.to_string());
    }
    found.retain(|(who, _)| who != "ann");
    assert_eq!(found, [("bob".to_owned(), 5), ("dan".to_owned(), 6)]);
    let lists = world.store.calls("members.list");
    let room = crate::contract::data::room_id("general");
    for n in 0..300 {
        world.truth.members.add(&room, &crate::contract::data::member(&format!("n{n:03}"))).await.unwrap();
    }
    let page = world.chat.readers(&caller("bob"), "general", 5, Some("bob"), Some(2)).await.unwrap();
    assert_eq!((page.readers.len(), page.next), (1, None), "dan, and nobody else has read it");
    assert_eq!(world.store.calls("members.list") - lists, 1, "they are read page by page");
    let refused = world.chat.readers(&caller("eve"), "general", 5, None, None).await.unwrap_err();
    assert_eq!(refused.code, "not_a_member");
    let unknown = world.chat.readers(&caller("bob"), "general", 4, None, None).await.unwrap_err();
    assert_eq!(unknown.code, "message_not_found", "a join is no message");
}

#[tokio::test]
async fn profiles_are_bounded_and_their_names_stand_in_messages() {
    let world = World::open().await;
    assert_eq!(
        serde_json::to_value(world.chat.profile(&caller("ann")).await.unwrap()).unwrap(),
        json!({"user": "ann"})
    );
    let set = async |name, url| world.chat.set_profile(&caller("ann"), name, url).await;
    let long = "ä".repeat(51);
    assert_eq!(set(Some(&long), None).await.unwrap_err().field, Some("display_name"));
    assert_eq!(set(Some("a\u{7}b"), None).await.unwrap_err().code, "invalid_name");
    assert_eq!(set(None, Some("ftp://x")).await.unwrap_err().code, "invalid_url");
    world.say("ann", "general", "m1", "x").await;
    set(Some(" Ann "), Some("https://x/a.png")).await.unwrap();
    world.say("ann", "general", "m2", "x").await;
    let sent = ask(&world, "ann", json!({"action": "send", "to": "bob", "content": "x"})).await;
    assert_eq!(sent["type"], "sent");
    let frames = world.heard("room_general");
    assert_eq!((&frames[0].get("sender_name"), &frames[1]["sender_name"]), (&None, &json!("Ann")));
    let inbox =
        serde_json::to_value(world.chat.inbox(&caller("bob"), None, None, None).await.unwrap()).unwrap();
    assert_eq!(inbox["messages"][0]["sender_name"], "Ann");
    set(None, None).await.unwrap();
    world.say("ann", "general", "m3", "x").await;
    let history = world.history("bob", "general").await;
    let names: Vec<_> = (0..3).map(|n| history["messages"][n]["sender_name"].clone()).collect();
    assert_eq!(names, [Value::Null, json!("Ann"), Value::Null], "as it was when it was said");
}

#[tokio::test(start_paused = true)]
async fn names_cost_no_read_while_they_are_fresh_and_hold_nothing_up() {
    let world = World::open().await;
    let reads = || world.store.calls("profiles.get");
    for n in 0..20 {
        world.say("ann", "general", &n.to_string(), "x").await;
    }
    assert_eq!(reads(), 1, "that there is no name is remembered too");
    let profile =
        crate::model::Profile { display_name: Some("Ann".into()), ..crate::model::Profile::of(user("ann")) };
    world.truth.profiles.put(&profile).await.unwrap();
    tokio::time::advance(std::time::Duration::from_secs(31)).await;
    world.say("ann", "general", "later", "x").await;
    assert_eq!((reads(), &world.heard("room_general")[20]["sender_name"]), (2, &json!("Ann")));
}

/// Walks a failure over every store call of a command, before and after its effect; the repeat leaves one entry more.
async fn one_entry_whatever_fails(venue: Venue, command: impl AsyncFn(&World, &Venue) -> bool) {
    for after in [false, true] {
        for nth in 0..12 {
            let world = World::open().await;
            world.say("ann", "general", "m1", "hi").await;
            let received = world.accept_direct("ann", "bob", "m1", "hi").await;
            world.deliver(&[received]).await;
            let log = if venue == general() { conversation("general") } else { pair("ann", "bob") };
            let before = changes(&world, &log).await.len();
            let (percent_before, percent_after) = if after { (0, 40) } else { (40, 0) };
            world.store.set(Mode::Random { seed: nth, percent_before, percent_after });
            for _ in 0..4 {
                command(&world, &venue).await;
            }
            world.store.set(Mode::Quiet);
            assert!(command(&world, &venue).await);
            assert!(command(&world, &venue).await);
            assert_eq!(changes(&world, &log).await.len(), before + 1, "seed {nth}, after {after}");
        }
    }
}

#[tokio::test]
async fn a_command_that_failed_anywhere_is_one_entry_after_its_repeat() {
    for venue in [general(), with("bob")] {
        one_entry_whatever_fails(venue.clone(), async |world, venue| {
            world.chat.edit_message(&caller("ann"), venue, 1, "new".into(), None).await.is_ok()
        })
        .await;
        one_entry_whatever_fails(venue.clone(), async |world, venue| {
            world.chat.edit_message(&caller("ann"), venue, 1, "new".into(), Some("key")).await.is_ok()
        })
        .await;
        one_entry_whatever_fails(venue.clone(), async |world, venue| {
            world.chat.delete_message(&caller("ann"), venue, 1, None).await.is_ok()
        })
        .await;
        one_entry_whatever_fails(venue, async |world, venue| {
            world.chat.react(&caller("ann"), venue, 1, "👍", true).await.is_ok()
        })
        .await;
    }
    one_entry_whatever_fails(general(), async |world, _| {
        world.chat.pin(&admin(), "general", 1, true).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_socket_gets_the_answer_and_no_copy() {
    let world = World::open().await;
    world.say("ann", "general", "m1", "hi").await;
    let edited =
        ask(&world, "ann", json!({"action": "edit", "room_id": "general", "seq": 1, "content": "new"})).await;
    assert_eq!(
        (&edited["type"], &edited["seq"], &edited["target"]),
        (&json!("edited"), &json!(2), &json!(1))
    );
    assert_eq!(edited["message"]["content"], "new");
    assert_eq!(world.excluded_from_last("room_general"), ["c1"]);
    let repeat =
        ask(&world, "ann", json!({"action": "edit", "room_id": "general", "seq": 1, "content": "new"})).await;
    assert_eq!(repeat.get("seq"), None, "nothing had to change");
    let reacted =
        ask(&world, "ann", json!({"action": "react", "room": "general", "seq": 1, "emoji": "👍"})).await;
    assert_eq!(
        (&reacted["type"], &reacted["reactions"], &reacted["mine"], &reacted["on"]),
        (&json!("reacted"), &json!({"👍": 1}), &json!(["👍"]), &json!(true))
    );
    let who =
        ask(&world, "ann", json!({"action": "reactions", "room": "general", "seq": 1, "emoji": "👍"})).await;
    assert_eq!(who, json!({"type": "reacted_by", "target": 1, "emoji": "👍", "users": ["ann"]}));
    let missing = ask(&world, "ann", json!({"action": "edit", "room": "general", "content": "x"})).await;
    assert_eq!((&missing["code"], &missing["field"]), (&json!("missing_field"), &json!("seq")));
    let profile = ask(&world, "ann", json!({"action": "set_profile", "display_name": "Ann"})).await;
    assert_eq!(profile, json!({"type": "profile", "user": "ann", "display_name": "Ann"}));
    assert_eq!(ask(&world, "ann", json!({"action": "me"})).await, profile);
    let page = world.chat.room_history(&caller("bob"), "general", PageRequest::default()).await.unwrap();
    assert_eq!(page.messages[0].as_of, 3);
}

#[tokio::test]
async fn a_reply_to_what_is_not_there_is_kept_as_it_was_given() {
    let world = World::open().await;
    let reply = async |to: u64| {
        ask(&world, "ann", json!({"action": "send", "room": "general", "content": "x", "reply_to": to})).await
    };
    let refused = reply(0).await;
    assert_eq!((&refused["code"], &refused["field"]), (&json!("invalid_field"), &json!("reply_to")));
    for to in [1, 99, u64::MAX] {
        assert_eq!(reply(to).await["type"], "sent");
    }
    let history = world.history("bob", "general").await;
    let kept: Vec<_> = (0..3).map(|n| history["messages"][n]["reply_to"].clone()).collect();
    assert_eq!(kept, [json!(1), json!(99), json!(u64::MAX)]);
}

/// Ann says one message over the queue and one over the socket; both are stored, without a name, within a second.
async fn says_without_a_name(world: &World, n: u32) {
    let start = tokio::time::Instant::now();
    world.say("ann", "general", &format!("queue-{n}"), "x").await;
    let id = format!("socket-{n}");
    let sent =
        ask(world, "ann", json!({"action": "send", "room": "general", "content": "x", "id": id})).await;
    assert_eq!(sent["type"], "sent");
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn profiles_that_are_away_or_hang_neither_hold_up_nor_lose_a_message() {
    for mode in [Mode::FailAll, Mode::FailNextAfterEffect(1_000), Mode::Delay(Duration::from_secs(86_400))] {
        let mut world = World::open().await;
        let profile = crate::model::Profile {
            display_name: Some("Ann".into()),
            ..crate::model::Profile::of(user("ann"))
        };
        world.truth.profiles.put(&profile).await.unwrap();
        let profiles = Faults::default();
        world.faulty.profiles = Arc::new(Faulty::new(Arc::clone(&world.truth.profiles), profiles.clone()));
        world.restart();
        profiles.set(mode);
        for n in 0..3 {
            says_without_a_name(&world, n).await;
            // The names are looked for again.
            tokio::time::advance(Duration::from_secs(31)).await;
        }
        assert!(profiles.calls("profiles.get") >= 3, "{mode:?}");
        profiles.set(Mode::Quiet);
        world.say("ann", "general", "healed", "x").await;
        let history = world.history("bob", "general").await;
        let messages = history["messages"].as_array().unwrap();
        let ids: Vec<_> = messages.iter().map(|message| message["id"].as_str().unwrap()).collect();
        let wanted = ["queue-0", "socket-0", "queue-1", "socket-1", "queue-2", "socket-2", "healed"];
        assert_eq!(ids, wanted, "{mode:?}");
        let named = messages.iter().filter(|message| message.get("sender_name").is_some()).count();
        assert_eq!((named, &messages[6]["sender_name"]), (1, &json!("Ann")), "{mode:?}");
    }
}
