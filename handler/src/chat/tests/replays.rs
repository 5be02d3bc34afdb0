//! Dead letters on their way back: what was lost by nobody's fault arrives, once and in order; what can never be a message
//! stays where people see it.

use std::time::Duration;

use futures_util::FutureExt;
use proptest::prelude::*;

use super::world::*;
use crate::adapters::faulty::{Faults, Mode};
use crate::chat::{AuditQuery, Caller, NewSanction, Patience, Replayed};
use crate::contract::data::room_id;
use crate::model::SanctionKind;
use crate::ports::*;

const REASON: &str = "DeadLetterReason";
const DESCRIPTION: &str = "DeadLetterErrorDescription";

/// As the dead-letter queue hands it over.
fn buried(mut received: Received, reason: &str) -> Received {
    received.properties.insert(REASON.into(), reason.into());
    received.properties.insert(DESCRIPTION.into(), "so the bus says".into());
    received.attempt = 11;
    received
}

async fn bury(world: &World, batch: &[Received]) {
    world.chat.bury(batch, Patience::Forever).await.unwrap();
}

async fn only(world: &World, kind: LetterKind) -> Letter {
    let mut letters = world.truth.letters.list(kind, None, 9).await.unwrap();
    assert_eq!(letters.len(), 1, "{letters:?}");
    letters.remove(0)
}

async fn waiting(world: &World) -> usize {
    world.letters(LetterKind::Waiting).await.len()
}

async fn actions(world: &World) -> Vec<String> {
    let page = world.chat.list_audit(&admin("root"), &AuditQuery::default()).await.unwrap();
    page.records.into_iter().rev().map(|record| record.action).collect()
}

#[tokio::test]
async fn what_can_be_a_message_waits_and_what_cannot_is_dead() {
    let world = World::open().await;
    for (reason, code) in [
        ("MaxDeliveryCountExceeded", "too_many_deliveries"),
        ("TTLExpiredException", "expired"),
        ("by hand", "dead_lettered"),
    ] {
        let received = world.accept("ann", "general", reason, "x").await;
        bury(&world, &[buried(received.clone(), reason), buried(received, reason)]).await;
        let letter = only(&world, LetterKind::Waiting).await;
        assert_eq!((letter.letter.code.as_str(), letter.letter.delivery_count), (code, 11));
        assert_eq!(letter.letter.reason, format!("{reason}: so the bus says"));
        world.truth.letters.remove(LetterKind::Waiting, &letter.id).await.unwrap();
    }
    let mut long = foreign(Entity::Queue, "no json");
    long = buried(long, "by hand");
    long.properties.insert(DESCRIPTION.into(), "w".repeat(2_000));
    bury(&world, &[long]).await;
    let letter = only(&world, LetterKind::Dead).await;
    assert_eq!(letter.letter.code, "invalid_json");
    assert!(letter.letter.reason.ends_with("www") && letter.letter.reason.len() < 1_200);
}

#[tokio::test]
async fn a_dead_letter_arrives_once_and_goes_once_it_has() {
    let world = World::open().await;
    let received = world.accept_direct("ann", "bob", "m1", "hi").await;
    bury(&world, &[buried(received, "MaxDeliveryCountExceeded")]).await;
    assert_eq!(world.chat.replay_letters().await.unwrap(), 1);
    assert_eq!(world.contents(&pair("ann", "bob")).await, ["hi"]);
    assert_eq!(world.heard_ids("user_bob"), ["m1"]);
    let waits = world.truth.inbox.list(&crate::contract::data::user("bob"), None, None, 9).await;
    assert_eq!(waits.unwrap().len(), 1, "for whoever was not there");
    assert_eq!(waiting(&world).await, 0);
    assert_eq!(world.chat.replay_letters().await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_letter_stays_until_the_append_has_answered_and_a_second_replay_doubles_nothing() {
    let world = World::open().await;
    let received = world.accept("ann", "general", "m1", "hi").await;
    bury(&world, &[buried(received, "MaxDeliveryCountExceeded")]).await;
    world.store.set(Mode::FailCalls("dead_letters.remove"));
    assert!(world.chat.replay_letters().await.unwrap_err().is_unavailable());
    assert_eq!(
        (world.contents(&room_id("general").conversation()).await.len(), waiting(&world).await),
        (1, 1)
    );
    world.store.set(Mode::Quiet);
    assert_eq!(world.chat.replay_letters().await.unwrap(), 1);
    assert_eq!(
        (world.contents(&room_id("general").conversation()).await.len(), waiting(&world).await),
        (1, 0)
    );
    assert_eq!(world.chat.counters().duplicates.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failing_replay_is_tried_again_later_and_later() {
    let world = World::open().await;
    let received = world.accept("ann", "general", "m1", "hi").await;
    bury(&world, &[buried(received, "MaxDeliveryCountExceeded")]).await;
    world.store.set(Mode::FailCalls("log.append"));
    assert_eq!(world.chat.replay_letters().await.unwrap(), 0);
    let replays = only(&world, LetterKind::Waiting).await.replays;
    assert_eq!((replays.count, replays.last[0].code.as_str()), (1, "not_delivered"));
    assert_eq!(replays.last[0].by.as_str(), "system");
    world.store.set(Mode::Quiet);
    world.ticker.advance(Duration::from_secs(59));
    assert_eq!(world.chat.replay_letters().await.unwrap(), 0, "not yet");
    world.ticker.advance(Duration::from_secs(1));
    assert_eq!(world.chat.replay_letters().await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn behind_one_that_waits_the_others_of_its_conversation_wait_and_nobody_else() {
    let world = World::open().await;
    let tea = world.room("ann", "Tea").await;
    let mut batch = Vec::new();
    for id in ["m1", "m2"] {
        batch.push(buried(world.accept("ann", tea.as_str(), id, id).await, "MaxDeliveryCountExceeded"));
    }
    bury(&world, &batch[..1]).await;
    world.store.set(Mode::FailCalls("log.append"));
    world.chat.replay_letters().await.unwrap();
    world.store.set(Mode::Quiet);
    bury(&world, &batch[1..]).await;
    let other = world.accept("ann", "general", "m3", "other").await;
    bury(&world, &[buried(other, "MaxDeliveryCountExceeded")]).await;
    assert_eq!(world.chat.replay_letters().await.unwrap(), 1, "the other conversation's");
    assert!(world.contents(&tea.conversation()).await.is_empty());
    world.ticker.advance(Duration::from_secs(60));
    assert_eq!(world.chat.replay_letters().await.unwrap(), 2);
    assert_eq!(world.contents(&tea.conversation()).await, ["m1", "m2"]);
}

#[tokio::test]
async fn what_is_refused_now_goes_to_the_rejected_and_an_admin_brings_it_back() {
    let world = World::open().await;
    let tea = world.room("ann", "Tea").await;
    let (id, root) = (tea.as_str(), admin("root"));
    world.chat.join_room(&caller("bob"), id).await.unwrap();
    let received = world.accept("bob", id, "m1", "hi").await;
    bury(&world, &[buried(received, "MaxDeliveryCountExceeded")]).await;
    let ban = NewSanction { user: "bob".into(), ..NewSanction::default() };
    world.chat.sanction(&caller("ann"), id, SanctionKind::Mute, ban).await.unwrap();
    assert_eq!(world.chat.replay_letters().await.unwrap(), 1);
    assert_eq!(waiting(&world).await, 0);
    let letter = only(&world, LetterKind::Rejected).await;
    assert_eq!(letter.letter.code, "muted");
    assert_eq!(world.chat.replay_letters().await.unwrap(), 0, "nobody but an admin replays it");

    let replay = async || world.chat.replay_letter(&root, LetterKind::Rejected, &letter.id).await;
    assert_eq!(replay().await.unwrap_err().code, "still_rejected");
    let told = world.chat.letter(&root, LetterKind::Rejected, &letter.id).await.unwrap().replays;
    assert_eq!((told.count, told.last[0].code.as_str(), told.last[0].by.as_str()), (1, "muted", "root"));
    world.chat.lift(&caller("ann"), id, SanctionKind::Mute, "bob").await.unwrap();
    let replayed = replay().await.unwrap();
    let Replayed::Appended { conversation, number, duplicate, .. } = replayed else { panic!("{replayed:?}") };
    assert_eq!((conversation, number, duplicate), (tea.conversation(), 1, false));
    assert_eq!(world.contents(&tea.conversation()).await, ["hi"]);
    assert_eq!(replay().await.unwrap_err().code, "letter_not_found");
    let told = actions(&world).await;
    let replays = told.iter().filter(|action| *action == "letter.replay").count();
    assert_eq!((replays, told.iter().filter(|action| *action == "letters.read").count()), (2, 1));
}

#[tokio::test]
async fn poison_is_never_replayed_and_may_be_discarded() {
    let world = World::open().await;
    let root = admin("root");
    world.deliver(&[foreign(Entity::Queue, "no json")]).await;
    let letter = only(&world, LetterKind::Dead).await;
    let refused = world.chat.replay_letter(&root, LetterKind::Dead, &letter.id).await.unwrap_err();
    assert_eq!((refused.code, refused.kind), ("letter_is_poison", crate::chat::Kind::Conflict));
    assert_eq!(world.chat.replay_letters().await.unwrap(), 0);
    let discard =
        async |who: Caller| world.chat.discard_letter(&who, LetterKind::Dead, &letter.id, Some("junk")).await;
    assert_eq!(discard(caller("ann")).await.unwrap_err().code, "admins_only");
    discard(root.clone()).await.unwrap();
    discard(root.clone()).await.unwrap();
    assert!(world.letters(LetterKind::Dead).await.is_empty());
    assert_eq!(actions(&world).await, ["letter.discard"]);
    let unknown = world.chat.letter(&root, LetterKind::Dead, "nothing").await.unwrap_err();
    assert_eq!(unknown.code, "letter_not_found");
    let refused = world.chat.replay_letter(&caller("ann"), LetterKind::Dead, "x").await.unwrap_err();
    assert_eq!(refused.code, "admins_only");
}

/// What nobody judged before is judged when it is delivered, also where that is a replay.
#[tokio::test]
async fn a_letter_that_is_held_is_told_to_be_and_goes() {
    let world = World::moderated().await;
    let body = r#"{"SenderID":"bot","RoomID":"general","MessageText":"you cunt","MessageID":"m1"}"#;
    bury(&world, &[buried(foreign(Entity::Topic, body), "MaxDeliveryCountExceeded")]).await;
    let (root, id) = (admin("root"), only(&world, LetterKind::Waiting).await.id);
    let held = world.chat.replay_letter(&root, LetterKind::Waiting, &id).await.unwrap();
    assert_eq!(held, Replayed::Held { conversation: room_id("general").conversation() });
    assert_eq!(waiting(&world).await, 0);
    let desk = crate::model::Desk::Room(room_id("general"));
    let review = world.chat.reviews(&root, &desk, None, None).await.unwrap().reviews.remove(0);
    assert_eq!(review.message.content, "you cunt");
    world.chat.decide(&root, &desk, &review.id, "approve", None).await.unwrap();
    assert_eq!(world.contents(&room_id("general").conversation()).await, ["you cunt"]);
}

/// Its round has read the letter, and delivers what it finds then.
#[tokio::test]
async fn what_was_discarded_meanwhile_is_not_delivered() {
    let world = World::open().await;
    let conversation = room_id("general").conversation();
    let batch =
        [world.accept("ann", "general", "m1", "no").await, world.accept("ann", "general", "m2", "yes").await];
    bury(&world, &batch.map(|received| buried(received, "MaxDeliveryCountExceeded"))).await;
    let letters = world.truth.letters.list(LetterKind::Waiting, None, 9).await.unwrap();
    let discarded = letters.iter().find(|letter| letter.letter.body.contains("\"no\"")).unwrap();
    let turn = world.chat.letter_turns.take(&conversation).await;
    let round = world.chat.replay_letters();
    tokio::pin!(round);
    assert!((&mut round).now_or_never().is_none(), "it waits for the turn");
    // Another process's: here it would wait.
    let other = world.another_process(&Faults::default());
    other.discard_letter(&admin("root"), LetterKind::Waiting, &discarded.id, None).await.unwrap();
    drop(turn);
    assert_eq!(round.await.unwrap(), 1);
    assert_eq!(world.contents(&conversation).await, ["yes"]);
    assert_eq!(waiting(&world).await, 0);
}

#[tokio::test(start_paused = true)]
async fn who_discards_what_is_being_delivered_waits_and_is_told_where_it_was() {
    for delivered in [false, true] {
        let world = World::open().await;
        let received = world.accept("ann", "general", "m1", "hi").await;
        bury(&world, &[buried(received, "MaxDeliveryCountExceeded")]).await;
        let (root, id) = (admin("root"), only(&world, LetterKind::Waiting).await.id);
        world.store.set(Mode::FailCalls("log.append"));
        let round = world.chat.replay_letters();
        let discard = world.chat.discard_letter(&root, LetterKind::Waiting, &id, None);
        tokio::pin!(round, discard);
        assert!((&mut round).now_or_never().is_none(), "the log does not answer");
        assert!((&mut discard).now_or_never().is_none(), "it waits for the round");
        if delivered {
            world.store.set(Mode::Quiet);
        }
        let (_, discarded) = tokio::join!(round, discard);
        world.store.set(Mode::Quiet);
        let expected = if delivered { Err("letter_delivered") } else { Ok(()) };
        assert_eq!(discarded.map_err(|refused| refused.code), expected);
        world.ticker.advance(Duration::from_secs(60 * 60));
        assert_eq!(world.chat.replay_letters().await.unwrap(), 0);
        let there = world.contents(&room_id("general").conversation()).await.len();
        assert_eq!((there, waiting(&world).await), (usize::from(delivered), 0));
        world.chat.discard_letter(&root, LetterKind::Waiting, &id, None).await.unwrap();
    }
}

#[tokio::test]
async fn what_outlives_the_markers_is_parked_for_good() {
    let world = World::open().await;
    let received = world.accept("ann", "general", "m1", "hi").await;
    bury(&world, &[buried(received, "TTLExpiredException")]).await;
    world.ticker.advance(Duration::from_secs(91 * 24 * 60 * 60));
    assert_eq!(world.chat.replay_letters().await.unwrap(), 1);
    assert_eq!(waiting(&world).await, 0);
    let letter = only(&world, LetterKind::Dead).await;
    assert_eq!(letter.letter.code, "too_old");
    let root = admin("root");
    let refused = world.chat.replay_letter(&root, LetterKind::Dead, &letter.id).await.unwrap_err();
    assert_eq!(refused.code, "letter_is_poison");
    assert!(world.contents(&room_id("general").conversation()).await.is_empty());
}

#[tokio::test]
async fn storing_waits_for_the_store_and_fails_only_when_the_time_is_up() {
    tokio::time::pause();
    let world = World::open().await;
    let received = [buried(world.accept("ann", "general", "m1", "hi").await, "MaxDeliveryCountExceeded")];
    world.store.set(Mode::FailAll);
    let began = tokio::time::Instant::now();
    let failed = world.chat.bury(&received, Patience::Until(Duration::from_secs(60))).await;
    assert_eq!(failed.unwrap_err().0, 1);
    assert!((60..62).contains(&began.elapsed().as_secs()));
    let (stored, ()) =
        tokio::join!(world.chat.bury(&received, Patience::Until(Duration::from_secs(60))), async {
            tokio::time::sleep(Duration::from_secs(30)).await;
            world.store.set(Mode::Quiet);
        });
    stored.unwrap();
    assert_eq!(waiting(&world).await, 1);
}

#[tokio::test]
async fn the_brokers_own_id_makes_the_same_message() {
    let world = World::open().await;
    let mut received = foreign(Entity::Topic, r#"{"SenderID":"ann","MessageText":"x"}"#);
    received.properties.insert("room_id".into(), "general".into());
    world.deliver(&[received.clone()]).await;
    bury(&world, &[buried(received, "MaxDeliveryCountExceeded")]).await;
    assert_eq!(world.chat.replay_letters().await.unwrap(), 1);
    assert_eq!(world.contents(&room_id("general").conversation()).await, ["x"], "known by the bus's id");
}

/// Letters of a few conversations, buried in any order, in one moment or several, some of them delivered before; replayed by
/// two processes at once whose stores fail now and then.
#[derive(Clone, Debug)]
struct Plan {
    /// For each message: its conversation, milliseconds since the former, whether it was in its log already.
    messages: Vec<(u8, u64, bool)>,
    order: Vec<prop::sample::Index>,
    seed: u64,
}

fn plan() -> impl Strategy<Value = Plan> {
    let message = (0..3_u8, 0..2_u64, prop::bool::weighted(0.2));
    (prop::collection::vec(message, 1..24), any::<u64>()).prop_flat_map(|(messages, seed)| {
        let order = prop::collection::vec(any::<prop::sample::Index>(), messages.len());
        order.prop_map(move |order| Plan { messages: messages.clone(), order, seed })
    })
}

async fn play(plan: Plan) {
    let world = World::open().await;
    let mut accepted = Vec::new();
    for (n, (conversation, pause, _)) in plan.messages.iter().enumerate() {
        world.ticker.advance(Duration::from_millis(*pause));
        let to = format!("to-{conversation}");
        accepted.push(world.accept_direct("ann", &to, &n.to_string(), &n.to_string()).await);
    }
    // Whatever was delivered before was so in order: the beginning of each conversation.
    for conversation in 0..3 {
        let mut own = plan.messages.iter().zip(&accepted).filter(|((of, ..), _)| *of == conversation);
        while let Some((_, received)) = own.next().filter(|((.., delivered), _)| *delivered) {
            world.deliver(std::slice::from_ref(received)).await;
        }
    }
    let mut rest = accepted.clone();
    for index in &plan.order {
        let received = rest.remove(index.index(rest.len()));
        bury(&world, &[buried(received, "MaxDeliveryCountExceeded")]).await;
    }
    let faults = Faults::default();
    let other = world.another_process(&faults);
    world.store.set(Mode::Random { seed: plan.seed, percent_before: 5, percent_after: 5 });
    faults.set(Mode::Random { seed: plan.seed ^ 1, percent_before: 5, percent_after: 5 });
    for _ in 0..50 {
        let _ = tokio::join!(world.chat.replay_letters(), other.replay_letters());
        world.ticker.advance(Duration::from_secs(6 * 60 * 60));
        if waiting(&world).await == 0 {
            break;
        }
    }
    assert_eq!(waiting(&world).await, 0);
    for conversation in 0..3 {
        let own = plan.messages.iter().enumerate().filter(|(_, (of, ..))| *of == conversation);
        let expected: Vec<_> = own.map(|(n, _)| n.to_string()).collect();
        assert_eq!(world.contents(&pair("ann", &format!("to-{conversation}"))).await, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_doubled_or_turned_around(plan in plan()) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(play(plan));
    }
}
