//! What is said is judged before it is published, on every way in; what is held waits for a decision.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::world::{World, admin, caller, foreign, pair, socket, to_room, to_user};
use crate::chat::{Fate, Patience, RoomEdit, Status, Submission, Venue, desk_of};
use crate::model::RoomId;
use crate::ports::{Entity, Judgement, LetterKind, Moderator, ModeratorError, Question};

async fn send(world: &World, who: &str, room: &str, id: &str, text: &str) -> Result<Status, &'static str> {
    let sent = world.chat.send_message(&caller(who), to_room(room, id, text), None).await;
    sent.map(|accepted| accepted.status).map_err(|refused| refused.code)
}

async fn contents(world: &World, room: &str) -> Vec<String> {
    world.contents(&RoomId::new(room).unwrap().conversation()).await
}

async fn deliver_all(world: &World) {
    world.deliver(&world.outbox.take()).await;
}

async fn live(world: &World, who: &str, frame: Value) -> Value {
    let answer = world.chat.text_frame(&socket(who, "c1"), frame.to_string().as_bytes()).await;
    serde_json::from_slice(&answer).unwrap()
}

async fn open_reviews(world: &World, who: &str, room: Option<&str>) -> Vec<Value> {
    let caller = if who == "root" { admin(who) } else { caller(who) };
    let page = world.chat.reviews(&caller, &desk_of(room).unwrap(), None, None).await.unwrap();
    serde_json::to_value(page).unwrap()["reviews"].as_array().unwrap().clone()
}

async fn decide(
    world: &World,
    who: &str,
    room: Option<&str>,
    id: &str,
    ruling: &str,
) -> Result<Value, &'static str> {
    let caller = if who == "root" { admin(who) } else { caller(who) };
    let decided = world.chat.decide(&caller, &desk_of(room).unwrap(), id, ruling, Some("because")).await;
    decided.map(|review| serde_json::to_value(review).unwrap()).map_err(|refused| refused.code)
}

#[tokio::test]
async fn without_moderation_everything_is_said_as_it_is() {
    let world = World::open().await;
    let text = "SHIT SHIT SHIT SHIT SHIT SHIT SHIT SHIT kys";
    for id in 0..40 {
        assert_eq!(send(&world, "ann", "general", &format!("m{id}"), text).await, Ok(Status::Accepted));
    }
    deliver_all(&world).await;
    assert_eq!(contents(&world, "general").await, vec![text; 40]);
}

#[tokio::test]
async fn words_are_masked_before_the_queue_and_rejected_with_a_code() {
    let world = World::moderated().await;
    assert_eq!(send(&world, "ann", "general", "1", "oh shit").await, Ok(Status::Accepted));
    let queued = world.outbox.take();
    let body: Value = serde_json::from_slice(&queued[0].body).unwrap();
    assert_eq!((&body["MessageText"], &body["moderated"]), (&"oh ****".into(), &true.into()));
    assert_eq!(send(&world, "ann", "general", "2", "k.y.s").await, Err("inappropriate"));
    let refused =
        world.chat.send_message(&caller("ann"), to_user("bob", "3", "kys"), None).await.unwrap_err();
    assert_eq!(refused.code, "inappropriate");
    assert!(world.outbox.take().is_empty());
    world.deliver(&queued).await;
    world.deliver(&queued).await;
    assert_eq!(contents(&world, "general").await, ["oh ****"]);
}

#[tokio::test]
async fn the_socket_is_judged_like_the_queue() {
    let world = World::moderated().await;
    let say =
        |id: &str, text: &str| json!({"action": "send", "room_id": "general", "id": id, "content": text});
    assert_eq!(live(&world, "ann", say("1", "oh shit")).await["type"], "sent");
    assert_eq!(live(&world, "ann", say("2", "kys")).await["code"], "inappropriate");
    assert_eq!(
        live(&world, "ann", say("3", "you cunt")).await,
        json!({"type": "held", "id": "3", "room_id": "general"})
    );
    assert_eq!(contents(&world, "general").await, ["oh ****"]);
    let edit = |text: &str| json!({"action": "edit", "room_id": "general", "seq": 1, "content": text});
    assert_eq!(live(&world, "ann", edit("oh fuck, really")).await["message"]["content"], "oh ****, really");
    assert_eq!(live(&world, "ann", edit("kys")).await["code"], "inappropriate");
    assert_eq!(live(&world, "ann", edit("you cunt")).await["code"], "inappropriate", "an edit is not held");
    assert_eq!(contents(&world, "general").await, ["oh ****, really"]);
}

#[tokio::test]
async fn names_are_refused_and_not_masked() {
    let world = World::moderated().await;
    let new = |name: &str, about: &str| crate::chat::NewRoom {
        name: name.into(),
        description: about.into(),
        ..Default::default()
    };
    for (room, field) in [(new("Shit", ""), "name"), (new("Tea", "f u c k"), "description")] {
        let refused = world.chat.create_room(&caller("ann"), room, None).await.unwrap_err();
        assert_eq!((refused.code, refused.field), ("inappropriate", Some(field)));
    }
    let room = world.room("ann", "Tea").await;
    let edit = RoomEdit { name: Some("Sh1t".into()), ..RoomEdit::default() };
    assert_eq!(
        world.chat.change_room(&caller("ann"), room.as_str(), &edit).await.unwrap_err().code,
        "inappropriate"
    );
    let refused = world.chat.set_profile(&caller("ann"), Some("$hit"), None).await.unwrap_err();
    assert_eq!((refused.code, refused.field), ("inappropriate", Some("display_name")));
    world.chat.set_profile(&caller("ann"), Some("Ann"), None).await.unwrap();
}

#[tokio::test]
async fn a_repeat_costs_nothing_in_the_queue_and_in_the_log() {
    let world = World::moderated().await;
    for _ in 0..40 {
        assert_eq!(send(&world, "ann", "general", "1", "one and the same text").await, Ok(Status::Accepted));
    }
    assert_eq!(world.outbox.0.lock().unwrap().len(), 1, "the queue has it once");
    for (id, status) in [("2", Ok(Status::Accepted)), ("3", Ok(Status::Accepted)), ("4", Err("spam_repeat"))]
    {
        assert_eq!(send(&world, "ann", "general", id, "one and the same text").await, status);
    }
    deliver_all(&world).await;
    let edgy = World::moderated().await;
    edgy.say("ann", "general", "1", "harmless then").await;
    let mut strict = edgy;
    strict.judged_by(Arc::new(Says::rejecting()));
    assert_eq!(
        send(&strict, "ann", "general", "1", "harmless then").await,
        Ok(Status::Accepted),
        "in the log from before"
    );
    let again = json!({"action": "send", "room_id": "general", "id": "1", "content": "harmless then"});
    assert_eq!(live(&strict, "ann", again).await["number"], 1);
    assert_eq!(send(&strict, "ann", "general", "2", "new").await, Err("no"));
}

#[tokio::test]
async fn another_text_under_an_accepted_id_comes_past_nobody() {
    let world = World::moderated().await;
    assert_eq!(send(&world, "ann", "general", "1", "harmless").await, Ok(Status::Accepted));
    let other = json!({"action": "send", "room_id": "general", "id": "1", "content": "oh shit"});
    assert_eq!(live(&world, "ann", other).await["type"], "sent");
    let worse = json!({"action": "send", "room_id": "general", "id": "1", "content": "kys"});
    assert_eq!(live(&world, "ann", worse).await["type"], "sent", "the first answer");
    deliver_all(&world).await;
    assert_eq!(contents(&world, "general").await, ["oh ****"]);
}

#[tokio::test]
async fn a_failed_send_is_no_repeat_of_the_text() {
    let world = World::moderated().await;
    world.queue.set(crate::adapters::faulty::Mode::FailAll);
    for _ in 0..10 {
        assert_eq!(
            send(&world, "ann", "general", "1", "one and the same text").await,
            Err("queue_unavailable")
        );
    }
    world.queue.set(crate::adapters::faulty::Mode::Quiet);
    assert_eq!(send(&world, "ann", "general", "1", "one and the same text").await, Ok(Status::Accepted));
    assert_eq!(world.outbox.take().len(), 1);
}

#[tokio::test]
async fn rooms_have_rules_of_their_own_that_moderators_set() {
    let world = World::open().await;
    let room = world.room("ann", "Tea").await;
    let room = room.as_str();
    let rules = RoomEdit {
        blocked_words: Some(vec!["coffee".into(), " coffee ".into()]),
        links: Some("members".into()),
        ..RoomEdit::default()
    };
    world.chat.join_room(&caller("mod"), room).await.unwrap();
    let edit = world.chat.change_room(&caller("mod"), room, &rules).await;
    assert_eq!(edit.unwrap_err().code, "not_permitted");
    world.chat.change_role(&caller("ann"), room, "mod", crate::model::Role::Moderator).await.unwrap();
    world.chat.change_room(&caller("mod"), room, &rules).await.unwrap();
    let named = RoomEdit { name: Some("Other".into()), ..rules.clone() };
    assert_eq!(world.chat.change_room(&caller("mod"), room, &named).await.unwrap_err().code, "not_permitted");
    let seen = serde_json::to_value(world.chat.rules(&caller("mod"), room).await.unwrap()).unwrap();
    assert_eq!(seen, json!({"room_id": room, "blocked_words": ["coffee"], "links": "members"}));
    assert!(world.chat.rules(&caller("eve"), room).await.is_err());
    assert_eq!(send(&world, "eve", room, "1", "I like C0ffee!").await, Err("blocked_word"));
    assert_eq!(send(&world, "eve", room, "2", "see https://example.com").await, Err("links_not_allowed"));
    assert_eq!(send(&world, "mod", room, "3", "see https://example.com").await, Ok(Status::Accepted));
    assert_eq!(send(&world, "eve", "general", "4", "coffee https://example.com").await, Ok(Status::Accepted));
    for (words, links, code) in [
        (Some(vec!["two words".to_owned()]), None, "invalid_field"),
        (Some(vec!["x".repeat(51)]), None, "too_long"),
        (Some(vec!["w".to_owned(); 201]), None, "too_long"),
        (Some(vec!["...".to_owned()]), None, "invalid_field"),
        (None, Some("some".to_owned()), "invalid_field"),
    ] {
        let edit = RoomEdit { blocked_words: words, links, ..RoomEdit::default() };
        assert_eq!(world.chat.change_room(&caller("ann"), room, &edit).await.unwrap_err().code, code);
    }
}

#[tokio::test]
async fn a_link_beside_the_text_is_held_to_what_the_room_wants() {
    let world = World::open().await;
    let room = world.room("ann", "Tea").await;
    let room = room.as_str();
    let rules = |links: &str| RoomEdit {
        blocked_words: Some(vec!["coffee".into()]),
        links: Some(links.into()),
        ..RoomEdit::default()
    };
    let send = async |who: &str, id: &str, link: &str| {
        let with = Submission { attachment_url: Some(link.to_owned()), ..to_room(room, id, "look") };
        let sent = world.chat.send_message(&caller(who), with, None).await;
        sent.map(|accepted| accepted.status).map_err(|refused| refused.code)
    };
    world.chat.change_room(&caller("ann"), room, &rules("allow")).await.unwrap();
    assert_eq!(send("eve", "1", "https://example.com/tea").await, Ok(Status::Accepted));
    assert_eq!(send("eve", "2", "https://example.com/c0ffee").await, Err("blocked_word"));
    world.chat.change_room(&caller("ann"), room, &rules("members")).await.unwrap();
    assert_eq!(send("eve", "3", "https://example.com/tea").await, Err("links_not_allowed"));
    assert_eq!(send("ann", "4", "https://example.com/tea").await, Ok(Status::Accepted));
    world.chat.change_room(&caller("ann"), room, &rules("none")).await.unwrap();
    assert_eq!(send("ann", "5", "https://example.com/tea").await, Err("links_not_allowed"));
    assert_eq!(send("ann", "6", "tea.png").await, Ok(Status::Accepted), "a file of ours is no link");
    let frame = json!({"action": "send", "room_id": room, "id": "7", "content": "look", "attachment_url": "https://example.com"});
    assert_eq!(live(&world, "ann", frame).await["code"], "links_not_allowed");
    let body =
        json!({"SenderID": "bot", "RoomID": room, "MessageID": "8", "AttachmentURL": "https://example.com"});
    let batch = [foreign(Entity::Topic, body.to_string())];
    let fates = world.chat.deliver(&batch, Patience::Forever).await.unwrap();
    assert_eq!(fates, [Fate::Rejected { code: "links_not_allowed" }]);
}

#[tokio::test]
async fn what_a_foreign_producer_sends_is_judged_when_it_is_delivered() {
    let world = World::moderated().await;
    let body = |id: &str, text: &str| json!({"SenderID": "bot", "RoomID": "general", "MessageText": text, "MessageID": id});
    let of = |body: Value| foreign(Entity::Topic, body.to_string());
    let trusted = json!({"SenderID": "bot", "RoomID": "general", "MessageText": "shit", "MessageID": "4", "moderated": true});
    let batch = [of(body("1", "oh shit")), of(body("2", "kys")), of(body("3", "you cunt")), of(trusted)];
    for again in [false, true] {
        let fates = world.chat.deliver(&batch, Patience::Forever).await.unwrap();
        assert!(matches!(fates[0], Fate::Delivered { duplicate, .. } if duplicate == again));
        assert_eq!(fates[1..3], [Fate::Rejected { code: "inappropriate" }, Fate::Held]);
    }
    assert_eq!(contents(&world, "general").await, ["oh ****", "shit"]);
    assert_eq!(world.letters(LetterKind::Rejected).await.len(), 1);
    assert_eq!(open_reviews(&world, "root", Some("general")).await.len(), 1);
    for id in 0..40 {
        world.deliver(&[of(body(&format!("x{id}"), "the same again and again"))]).await;
    }
    assert_eq!(contents(&world, "general").await.len(), 42, "how much is said does not count there");
}

#[tokio::test(start_paused = true)]
async fn a_delivery_waits_for_a_moderator_that_is_away() {
    let mut world = World::moderated().await;
    let says = Arc::new(Says::away());
    world.judged_by(Arc::clone(&says) as _);
    assert_eq!(send(&world, "ann", "general", "1", "hello").await, Err("moderator_unavailable"));
    let body = json!({"SenderID": "bot", "RoomID": "general", "MessageText": "hello", "MessageID": "1"});
    let batch = [foreign(Entity::Topic, body.to_string())];
    let failed = world.chat.deliver(&batch, Patience::Until(std::time::Duration::ZERO)).await.unwrap_err();
    assert_eq!(failed.fates, [Fate::Waiting]);
    says.0.store(false, Ordering::Relaxed);
    world.deliver(&batch).await;
    assert_eq!(contents(&world, "general").await, ["hello"]);
}

#[tokio::test]
async fn what_is_held_is_published_once_when_it_is_approved() {
    let mut world = World::moderated().await;
    let room = world.room("mod", "Tea").await;
    let room = room.as_str();
    assert_eq!(send(&world, "ann", room, "1", "you cunt").await, Ok(Status::Held));
    assert_eq!(send(&world, "ann", room, "1", "you cunt").await, Ok(Status::Held));
    assert_eq!(send(&world, "ann", room, "2", "meanwhile").await, Ok(Status::Accepted));
    deliver_all(&world).await;
    assert_eq!(contents(&world, room).await, ["meanwhile"]);
    world.restart();
    let open = open_reviews(&world, "mod", Some(room)).await;
    assert_eq!(open.len(), 1);
    assert_eq!(
        (&open[0]["kind"], &open[0]["code"], &open[0]["message"]["content"]),
        (&"held".into(), &"inappropriate".into(), &"you cunt".into())
    );
    let id = open[0]["id"].as_str().unwrap();
    let stranger = world.chat.reviews(&caller("eve"), &desk_of(Some(room)).unwrap(), None, None).await;
    assert_eq!(stranger.unwrap_err().code, "not_a_member");
    assert_eq!(decide(&world, "eve", Some(room), id, "approve").await, Err("not_a_member"));
    assert_eq!(decide(&world, "mod", Some(room), "nothing", "approve").await, Err("review_not_found"));
    assert_eq!(decide(&world, "mod", Some(room), id, "perhaps").await, Err("invalid_field"));

    // Any call fails before or behind its effect.
    for seed in 0..20 {
        world.store.set(crate::adapters::faulty::Mode::Random {
            seed,
            percent_before: 15,
            percent_after: 15,
        });
        let _ = decide(&world, "mod", Some(room), id, "approve").await;
    }
    world.store.set(crate::adapters::faulty::Mode::Quiet);
    let decided = decide(&world, "mod", Some(room), id, "approve").await.unwrap();
    assert_eq!(
        (&decided["decision"]["ruling"], &decided["decision"]["by"]),
        (&"approve".into(), &"mod".into())
    );
    assert_eq!(decide(&world, "mod", Some(room), id, "remove").await, Err("already_decided"));
    assert_eq!(contents(&world, room).await, ["meanwhile", "you cunt"]);
    assert!(open_reviews(&world, "mod", Some(room)).await.is_empty());
    assert_eq!(send(&world, "ann", room, "1", "you cunt").await, Ok(Status::Accepted));
    deliver_all(&world).await;
    assert_eq!(contents(&world, room).await.len(), 2);
}

#[tokio::test]
async fn who_is_refused_is_told_and_stays_refused() {
    let world = World::moderated().await;
    let sent = world.chat.send_message(&caller("ann"), to_user("bob", "1", "you cunt"), None).await.unwrap();
    assert_eq!(sent.status, Status::Held);
    let denied = world.chat.reviews(&caller("bob"), &desk_of(None).unwrap(), None, None).await.unwrap_err();
    assert_eq!(denied.code, "admins_only");
    let open = open_reviews(&world, "root", None).await;
    assert_eq!(open[0]["to"], "bob");
    let id = open[0]["id"].as_str().unwrap();
    for _ in 0..2 {
        decide(&world, "root", None, id, "remove").await.unwrap();
    }
    let told: Vec<_> =
        world.heard("user_ann").into_iter().filter(|frame| frame["type"] == "rejected").collect();
    assert_eq!(
        told,
        [json!({"type": "rejected", "id": "1", "code": "removed_by_moderator", "reason": "because"})]
    );
    assert!(world.contents(&pair("ann", "bob")).await.is_empty());
    let records = world.truth.audit.list(None, 99).await.unwrap();
    let acts: Vec<_> =
        records.iter().map(|record| (record.action.as_str(), record.target.as_deref())).collect();
    assert_eq!(acts.iter().filter(|act| **act == ("review.remove", Some(id))).count(), 1, "{acts:?}");
    assert!(acts.contains(&("reviews.read", Some("1 direct"))), "{acts:?}");
    let again =
        world.chat.send_message(&caller("ann"), to_user("bob", "1", "you cunt"), None).await.unwrap_err();
    assert_eq!(again.code, "removed_by_moderator");
}

#[tokio::test]
async fn a_sender_who_may_send_no_more_is_not_published() {
    let world = World::moderated().await;
    let room = world.room("mod", "Tea").await;
    let room = room.as_str();
    assert_eq!(send(&world, "ann", room, "1", "you cunt").await, Ok(Status::Held));
    let ban = crate::chat::NewSanction { user: "ann".into(), duration_secs: None, reason: None };
    world.chat.sanction(&caller("mod"), room, crate::model::SanctionKind::Ban, ban).await.unwrap();
    let id = open_reviews(&world, "mod", Some(room)).await[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(decide(&world, "mod", Some(room), &id, "approve").await, Err("sender_may_not_send"));
    decide(&world, "mod", Some(room), &id, "remove").await.unwrap();
    assert!(contents(&world, room).await.is_empty());
}

#[tokio::test]
async fn readers_report_a_message_once_each() {
    let world = World::open().await;
    let room = world.room("mod", "Tea").await;
    let room = room.as_str();
    world.say("ann", room, "1", "a lie").await;
    let venue = Venue::Room(room.to_owned());
    let seq = world.history("mod", room).await["messages"][0]["seq"].as_u64().unwrap();
    for who in ["bob", "eve", "bob"] {
        let reported = world.chat.report(&caller(who), &venue, seq, Some("it is a lie")).await.unwrap();
        assert_eq!(serde_json::to_value(reported).unwrap()["status"], "reported");
    }
    assert_eq!(world.chat.report(&caller("ann"), &venue, seq, None).await.unwrap_err().code, "own_message");
    assert_eq!(
        world.chat.report(&caller("bob"), &venue, 99, None).await.unwrap_err().code,
        "message_not_found"
    );
    let long = "x".repeat(501);
    assert_eq!(
        world.chat.report(&caller("bob"), &venue, seq, Some(&long)).await.unwrap_err().code,
        "too_long"
    );
    let open = open_reviews(&world, "mod", Some(room)).await;
    assert_eq!(open.len(), 1);
    let by: Vec<_> = open[0]["reports"].as_array().unwrap().iter().map(|report| &report["by"]).collect();
    assert_eq!(by, ["bob", "eve"]);
    let id = open[0]["id"].as_str().unwrap();
    decide(&world, "mod", Some(room), id, "approve").await.unwrap();
    world.chat.report(&caller("zoe"), &venue, seq, None).await.unwrap();
    assert!(open_reviews(&world, "mod", Some(room)).await.is_empty(), "what was decided stays so");

    // Behind an edit it is another text.
    world.ticker.advance(std::time::Duration::from_secs(1));
    world.chat.edit_message(&caller("ann"), &venue, seq, "a worse lie".into(), None).await.unwrap();
    let frame = json!({"action": "report", "room_id": room, "seq": seq});
    assert_eq!(live(&world, "zoe", frame).await["type"], "reported");
    let listed = live(&world, "mod", json!({"action": "reviews", "room_id": room})).await;
    let id = listed["reviews"][0]["id"].clone();
    assert_eq!(listed["reviews"][0]["message"]["content"], "a worse lie");
    let frame =
        json!({"action": "review", "room_id": room, "review": id, "decision": "remove", "reason": "lies"});
    assert_eq!(live(&world, "mod", frame.clone()).await["type"], "reviewed");
    assert_eq!(live(&world, "mod", frame).await["type"], "reviewed");
    let message = world.chat.message(&caller("mod"), &venue, seq).await.unwrap();
    assert!(message.state.deleted_at.is_some());
    assert_eq!(
        world.chat.report(&caller("bob"), &venue, seq, None).await.unwrap_err().code,
        "message_deleted"
    );
}

#[tokio::test]
async fn reports_of_a_message_are_bounded_and_pages_are_gone_through() {
    let world = World::open().await;
    let room = world.room("mod", "Tea").await;
    let room = room.as_str();
    let venue = Venue::Room(room.to_owned());
    for id in 0..3 {
        world.say("ann", room, &format!("m{id}"), "a lie").await;
    }
    let history = world.history("mod", room).await;
    let seqs: Vec<u64> =
        history["messages"].as_array().unwrap().iter().map(|m| m["seq"].as_u64().unwrap()).collect();
    for who in 0..60 {
        world.chat.report(&caller(&format!("user-{who}")), &venue, seqs[0], None).await.unwrap();
    }
    for seq in &seqs[1..] {
        world.chat.report(&caller("bob"), &venue, *seq, None).await.unwrap();
    }
    let (mut after, mut seen) = (None::<String>, Vec::new());
    loop {
        let page = world
            .chat
            .reviews(&caller("mod"), &desk_of(Some(room)).unwrap(), after.as_deref(), Some(2))
            .await
            .unwrap();
        seen.extend(
            page.reviews.iter().map(|review| (review.seq.unwrap(), review.reports.as_ref().unwrap().len())),
        );
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, [(seqs[0], 50), (seqs[1], 1), (seqs[2], 1)]);
    for bad in ["", "x", "1", "99999999999999999999_x"] {
        let page = world.chat.reviews(&caller("mod"), &desk_of(Some(room)).unwrap(), Some(bad), None).await;
        assert_eq!(page.unwrap_err().field, Some("after"), "{bad}");
    }
}

/// Away, or against everything.
struct Says(AtomicBool, bool);

impl Says {
    fn away() -> Self {
        Self(AtomicBool::new(true), false)
    }

    fn rejecting() -> Self {
        Self(AtomicBool::new(false), true)
    }
}

#[async_trait]
impl Moderator for Says {
    async fn judge(&self, _: &Question) -> Result<Judgement, ModeratorError> {
        if self.0.load(Ordering::Relaxed) {
            return Err(ModeratorError::unavailable("away"));
        }
        Ok(if self.1 { Judgement::Reject { code: "no", reason: "No.".into() } } else { Judgement::Allow })
    }
}
