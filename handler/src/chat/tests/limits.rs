//! Who does too much is told so, on every way in; who repeats what was accepted is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::world::*;
use crate::chat::{Caller, Chat, Kind, Limits, Refused, RoomEdit, Venue};
use crate::contract::data::conversation;
use crate::model::{RateLimit, RateLimits};
use crate::ports::{Judgement, Moderator, ModeratorError, Question};

fn burst(burst: u32) -> Option<RateLimit> {
    Some(RateLimit { per_second: 1, burst })
}

impl World {
    /// Full buckets, as of a process that begins.
    fn limit(&mut self, limits: RateLimits) {
        let chat = Chat::new(self.faulty.clone(), self.options);
        self.chat = Arc::new(chat.with_limits(Arc::new(Limits::new(&limits))));
    }
}

async fn send(world: &World, who: &str, id: &str) -> Result<(), Refused> {
    world.chat.send_message(&caller(who), to_room("general", id, "hi"), None).await.map(|_| ())
}

async fn event(world: &World, by: &Caller, name: &str, payload: Value) -> Result<Value, Refused> {
    let answer = world.chat.event(by, name, payload.to_string().as_bytes()).await?;
    Ok(serde_json::from_slice(&answer.unwrap()).unwrap())
}

#[track_caller]
fn is_limited(refused: &Refused, of: &str) {
    assert_eq!((refused.code, refused.field), ("rate_limited", Some(of)), "{refused:?}");
    assert!(matches!(refused.kind, Kind::Limited { retry_after } if retry_after <= Duration::from_secs(1)));
    assert_eq!(refused.retry_after_secs(), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_accepted_and_then_the_rate() {
    let mut world = World::open().await;
    world.limit(RateLimits { user: burst(3), ..RateLimits::default() });
    for id in ["1", "2", "3"] {
        send(&world, "ann", id).await.unwrap();
    }
    is_limited(&send(&world, "ann", "4").await.unwrap_err(), "user");
    send(&world, "bob", "1").await.unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    send(&world, "ann", "4").await.unwrap();
    is_limited(&send(&world, "ann", "5").await.unwrap_err(), "user");
    assert_eq!(world.outbox.take().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn what_was_accepted_may_be_repeated_for_nothing() {
    let mut world = World::open().await;
    let limits = RateLimits { user: burst(2), ..RateLimits::default() };
    world.limit(limits);
    send(&world, "ann", "1").await.unwrap();
    for _ in 0..5 {
        send(&world, "ann", "1").await.unwrap();
    }
    send(&world, "ann", "2").await.unwrap();
    is_limited(&send(&world, "ann", "3").await.unwrap_err(), "user");
    send(&world, "ann", "1").await.unwrap();
    assert_eq!(world.outbox.0.lock().unwrap().len(), 8, "still on its way: the broker knows the repeats");
    let waiting = world.outbox.take();
    world.deliver(&waiting).await;
    assert_eq!(world.contents(&conversation("general")).await.len(), 2, "each once");

    // Another process, which remembers nothing, finds it in the log.
    world.limit(limits);
    send(&world, "ann", "4").await.unwrap();
    send(&world, "ann", "5").await.unwrap();
    is_limited(&send(&world, "ann", "6").await.unwrap_err(), "user");
    send(&world, "ann", "1").await.unwrap();
    assert_eq!(world.outbox.take().len(), 2, "what is in the log needs no queue");
}

#[tokio::test(start_paused = true)]
async fn what_the_queue_did_not_take_costs_nothing() {
    let mut world = World::open().await;
    world.limit(RateLimits { user: burst(1), room: burst(1), address: None });
    world.queue.set(crate::adapters::faulty::Mode::FailAll);
    for _ in 0..3 {
        assert_eq!(send(&world, "ann", "1").await.unwrap_err().code, "queue_unavailable");
    }
    world.queue.set(crate::adapters::faulty::Mode::Quiet);
    send(&world, "ann", "1").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_room_has_a_limit_for_all_together() {
    let mut world = World::open().await;
    let tea = world.room("ann", "Tea").await;
    world.limit(RateLimits { room: burst(3), ..RateLimits::default() });
    for who in ["ann", "bob", "cy"] {
        send(&world, who, "1").await.unwrap();
    }
    is_limited(&send(&world, "dee", "1").await.unwrap_err(), "room");
    let refused = event(&world, &socket("eve", "c"), "send", json!({"room": "general", "text": "x"})).await;
    is_limited(&refused.unwrap_err(), "room");
    is_limited(&world.chat.join_room(&caller("dee"), "general").await.unwrap_err(), "room");
    // Neither another room nor two people are in this.
    world.chat.join_room(&caller("dee"), tea.as_str()).await.unwrap();
    world.chat.send_message(&caller("dee"), to_user("eve", "2", "x"), None).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn sockets_have_the_same_limits_and_repeats() {
    let mut world = World::open().await;
    world.limit(RateLimits { user: burst(3), ..RateLimits::default() });
    let ann = socket("ann", "c1");
    let message = |id: &str| json!({"room": "general", "id": id, "text": "hi"});
    let first = event(&world, &ann, "send", message("1")).await.unwrap();
    for _ in 0..5 {
        assert_eq!(event(&world, &ann, "send", message("1")).await.unwrap(), first);
    }
    event(&world, &ann, "join", json!({"room": "general"})).await.unwrap();
    event(&world, &ann, "typing", json!({"room": "general"})).await.unwrap();
    is_limited(&event(&world, &ann, "send", message("2")).await.unwrap_err(), "user");
    is_limited(&event(&world, &ann, "typing", json!({"room": "general"})).await.unwrap_err(), "user");
    is_limited(&event(&world, &ann, "list_rooms", json!({})).await.unwrap_err(), "user");
    assert_eq!(event(&world, &ann, "send", message("1")).await.unwrap(), first, "the first answer");
    is_limited(&send(&world, "ann", "over http").await.unwrap_err(), "user");
    let plain = world.chat.text_frame(&ann, br#"{"action":"list_rooms"}"#).await;
    let plain: Value = serde_json::from_slice(&plain).unwrap();
    let told = ["type", "code", "field", "retry_after"].map(|name| plain[name].clone());
    assert_eq!(told, [json!("error"), json!("rate_limited"), json!("user"), json!(1)]);
}

#[tokio::test(start_paused = true)]
async fn edits_and_reactions_cost_and_their_repeats_do_not() {
    let mut world = World::open().await;
    world.say("ann", "general", "1", "tea?").await;
    world.limit(RateLimits { user: burst(3), ..RateLimits::default() });
    let (chat, ann, general) = (Arc::clone(&world.chat), caller("ann"), Venue::Room("general".into()));
    let edit = async |text: &str, key| chat.edit_message(&ann, &general, 1, text.into(), Some(key)).await;
    let react = async |emoji| chat.react(&ann, &general, 1, emoji, true).await;
    edit("coffee?", "k1").await.unwrap();
    edit("coffee?", "k1").await.unwrap();
    react("👍").await.unwrap();
    react("👍").await.unwrap();
    edit("mate?", "k2").await.unwrap();
    is_limited(&edit("water?", "k3").await.unwrap_err(), "user");
    is_limited(&react("🍵").await.unwrap_err(), "user");
    is_limited(&chat.delete_message(&ann, &general, 1, None).await.unwrap_err(), "user");
    let again = edit("coffee?", "k1").await.unwrap();
    assert_eq!(again.message.state.message.content, "mate?", "a repeat changes nothing");
    react("👍").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn reports_cost_their_user_and_their_room_and_repeats_do_not() {
    let mut world = World::open().await;
    for id in ["1", "2", "3"] {
        world.say("ann", "general", id, "a lie").await;
    }
    let (general, seqs) = (Venue::Room("general".into()), world.seqs("general").await);
    world.limit(RateLimits { user: burst(2), ..RateLimits::default() });
    let chat = Arc::clone(&world.chat);
    let report = async |who: &str, seq| chat.report(&caller(who), &general, seq, None).await;
    report("bob", seqs[0]).await.unwrap();
    for _ in 0..5 {
        report("bob", seqs[0]).await.unwrap();
    }
    let frame = json!({"room_id": "general", "seq": seqs[1]});
    event(&world, &socket("bob", "c"), "report", frame.clone()).await.unwrap();
    is_limited(&report("bob", seqs[2]).await.unwrap_err(), "user");
    is_limited(&event(&world, &socket("bob", "c"), "report", frame).await.unwrap_err(), "user");
    report("eve", seqs[2]).await.unwrap();

    world.limit(RateLimits { room: burst(1), ..RateLimits::default() });
    let chat = Arc::clone(&world.chat);
    chat.report(&caller("cid"), &general, seqs[0], None).await.unwrap();
    is_limited(&chat.report(&caller("dan"), &general, seqs[0], None).await.unwrap_err(), "room");
}

/// Allows everything, and counts what it was asked.
#[derive(Default)]
struct Counting(AtomicUsize);

#[async_trait]
impl Moderator for Counting {
    async fn judge(&self, _: &Question) -> Result<Judgement, ModeratorError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(Judgement::Allow)
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_judged_before_the_right_and_the_limit() {
    let mut world = World::moderated().await;
    let moderator = Arc::new(Counting::default());
    world.judged_by(Arc::clone(&moderator) as _);
    world.say("ann", "general", "1", "tea?").await;
    let tea = world.private_room("ann", "Tea").await;
    let judged = || moderator.0.swap(0, Ordering::Relaxed);
    judged();
    let rename = |name: &str| RoomEdit { name: Some(name.to_owned()), ..RoomEdit::default() };

    // Who may not.
    let refused = world.chat.change_room(&caller("eve"), tea.as_str(), &rename("Mine")).await.unwrap_err();
    assert_eq!((refused.code, judged()), ("room_not_found", 0));
    let general = Venue::Room("general".into());
    let refused =
        world.chat.edit_message(&caller("eve"), &general, 1, "mine".into(), None).await.unwrap_err();
    assert_eq!((refused.code, judged()), ("not_the_author", 0));

    // Who does too much.
    world.limit(RateLimits { user: burst(1), ..RateLimits::default() });
    let chat = Arc::clone(&world.chat);
    let ann = caller("ann");
    chat.change_room(&ann, tea.as_str(), &rename("Tea")).await.unwrap();
    assert_eq!(judged(), 0, "what is so already costs nothing");
    chat.edit_message(&ann, &general, 1, "mate?".into(), Some("k")).await.unwrap();
    assert_eq!(judged(), 1);
    is_limited(&chat.edit_message(&ann, &general, 1, "water?".into(), None).await.unwrap_err(), "user");
    is_limited(&chat.change_room(&ann, tea.as_str(), &rename("Mate")).await.unwrap_err(), "user");
    is_limited(&chat.set_profile(&ann, Some("Ann"), None).await.unwrap_err(), "user");
    assert_eq!(judged(), 0);
    chat.edit_message(&ann, &general, 1, "mate?".into(), Some("k")).await.unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    chat.set_profile(&ann, Some("Ann"), None).await.unwrap();
    is_limited(&chat.set_profile(&ann, Some("Anna"), None).await.unwrap_err(), "user");
}

#[tokio::test(start_paused = true)]
async fn who_floods_on_is_closed() {
    let mut world = World::open().await;
    world.limit(RateLimits { address: burst(2), ..RateLimits::default() });
    let ann = socket("ann", "c1");
    world.wire.opens("c1", &["user_ann".to_owned()]);
    let mut frames = 0;
    while world.wire.is_in("c1", "user_ann") {
        let answer = world.chat.text_frame(&ann, b"no json").await;
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let expected = if frames < 2 { "invalid_json" } else { "rate_limited" };
        assert_eq!(answer["code"], expected, "every frame has an answer");
        assert!(frames < 60, "it goes on");
        frames += 1;
    }
    assert_eq!(frames, 2 + 50 + 1);
    // Who waits as told never comes near it.
    world.wire.opens("c2", &["user_ann".to_owned()]);
    for _ in 0..200 {
        world.chat.text_frame(&socket("ann", "c2"), b"no json").await;
        tokio::time::advance(Duration::from_millis(900)).await;
    }
    assert!(world.wire.is_in("c2", "user_ann"));
}
