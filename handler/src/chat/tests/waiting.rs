use std::time::Duration;

use tokio::time::Instant;

use super::world::*;
use crate::adapters::faulty::Mode;
use crate::chat::{Fate, Patience};
use crate::contract::data::conversation;
use crate::ports::{LetterKind, Received};

const OUTAGE: Duration = Duration::from_secs(20);

#[tokio::test(start_paused = true)]
async fn an_outage_is_waited_out_in_many_conversations() {
    let world = World::open().await;
    let mut sessions = Vec::new();
    for n in 0..20 {
        let room = world.room("ann", &format!("R{n}")).await;
        let mut session = Vec::new();
        for m in 0..5 {
            session.push(world.accept("ann", room.as_str(), &format!("m{m}"), &format!("{m}")).await);
        }
        sessions.push((room, session));
    }
    world.store.set(Mode::FailAll);
    let start = Instant::now();
    let deliveries: Vec<_> = sessions
        .iter()
        .map(|(_, session)| {
            let (chat, session) = (world.chat.clone(), session.clone());
            tokio::spawn(
                async move { chat.deliver(&session, Patience::Until(Duration::from_secs(270))).await },
            )
        })
        .collect();
    tokio::time::sleep(OUTAGE).await;
    assert!(deliveries.iter().all(|delivery| !delivery.is_finished()), "nothing fails, nothing is parked");
    world.store.set(Mode::Quiet);
    for delivery in deliveries {
        let fates = delivery.await.unwrap().unwrap();
        assert!(fates.iter().all(|fate| matches!(fate, Fate::Delivered { .. })));
    }
    assert!(start.elapsed() < OUTAGE + Duration::from_secs(1), "{:?}", start.elapsed());
    for (room, _) in &sessions {
        assert_eq!(world.contents(&room.conversation()).await, ["0", "1", "2", "3", "4"]);
        assert_eq!(world.heard_ids(&format!("room_{room}")), ["m0", "m1", "m2", "m3", "m4"]);
    }
    assert!(world.letters(LetterKind::Dead).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn after_its_budget_a_delivery_fails_and_never_in_under_a_second() {
    let world = World::open().await;
    let received = world.accept("ann", "general", "m1", "hi").await;
    world.store.set(Mode::FailAll);
    for (budget, wanted) in [(0, 1), (10, 10)] {
        let start = Instant::now();
        let patience = Patience::Until(Duration::from_secs(budget));
        let failed = world.chat.deliver(std::slice::from_ref(&received), patience).await.unwrap_err();
        assert_eq!((failed.fates.as_slice(), failed.waiting()), ([Fate::Waiting].as_slice(), 1));
        let took = start.elapsed();
        assert!(took >= Duration::from_secs(wanted) && took < Duration::from_secs(wanted + 1), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dependency_that_hangs_costs_no_more_than_the_budget() {
    let world = World::open().await;
    let received = world.accept("ann", "general", "m1", "hi").await;
    world.store.set(Mode::Delay(Duration::from_secs(3_600)));
    let start = Instant::now();
    let patience = Patience::Until(Duration::from_secs(5));
    assert!(
        world
            .chat
            .deliver(&[received, foreign(crate::ports::Entity::Topic, "poison")], patience)
            .await
            .is_err()
    );
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn many_deliveries_alone_park_nothing() {
    let world = World::open().await;
    let received = world.accept("ann", "general", "m1", "hi").await;
    let many = Received { attempt: 500, ..received };
    let patience = Patience::Until(Duration::from_secs(2));
    world.store.set(Mode::FailAll);
    assert!(
        world.chat.deliver(std::slice::from_ref(&many), patience).await.is_err(),
        "the store is to blame"
    );
    world.store.set(Mode::Quiet);
    world.live.set(Mode::FailAll);
    assert!(world.chat.deliver(std::slice::from_ref(&many), patience).await.is_err(), "it is in the log");
    world.live.set(Mode::Quiet);
    let fates = world.chat.deliver(&[many], patience).await.unwrap();
    assert_eq!(fates, [Fate::Delivered { seq: 1, number: 1, duplicate: true }]);
    assert!(world.letters(LetterKind::Dead).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_late_message_waits_for_the_one_before_it() {
    let world = World::open().await;
    let one = world.accept("ann", "general", "m1", "one").await;
    let two = world.accept("ann", "general", "m2", "two").await;
    // The first append fails once: the second may not overtake.
    world.store.set(Mode::FailNext(2));
    world.deliver(&[one, two]).await;
    assert_eq!(world.contents(&conversation("general")).await, ["one", "two"]);
    assert!(world.chat.counters().retries.get() > 0);
}

#[tokio::test(start_paused = true)]
async fn a_live_service_that_asks_for_time_is_left_alone() {
    let world = World::open().await;
    let received = world.accept("ann", "general", "m1", "hi").await;
    world.live.set(Mode::Throttle("transport.publish", Duration::from_secs(3)));
    let patience = Patience::Until(Duration::from_secs(10));
    world.chat.deliver(std::slice::from_ref(&received), patience).await.unwrap_err();
    let calls = world.live.calls("transport.publish");
    assert!((2..=8).contains(&calls), "at 0, 3, 6 and 9 s, by the delivery and its appender: {calls}");
    world.live.set(Mode::Quiet);
    world.deliver(&[received]).await;
    assert_eq!(world.heard_ids("room_general"), ["m1"]);
}
