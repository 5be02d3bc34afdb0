//! Instances are killed at random moments while all of them write to the same rooms.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use funchost::Status;
use tokio::time::Instant;

use crate::instances::{Figures, INSTANCES, Instances, over};
use crate::senders::Flow;
use crate::world::PATIENCE;

const KILLS: u64 = 15;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_is_there_once_and_in_order() {
    let mut instances = Instances::start().await;
    let flow = Arc::new(Flow::new(Duration::from_millis(50), usize::MAX, true));
    instances.send(&flow);
    let (mut figures, mut kills) = (Figures::default(), [0; INSTANCES]);
    let began = Instant::now();
    for _ in 0..KILLS {
        let chance = getrandom::u32().unwrap();
        let at = chance as usize % INSTANCES;
        let world = &instances.worlds[at];
        figures.add(world).await;
        tokio::time::sleep(Duration::from_millis(u64::from(chance / 3 % 500))).await;
        let deaths = world.host.status().handler_errors;
        world.host.kill_handler().await;
        kills[at] += 1;
        let is_back = |status: &Status| status.handler_errors > deaths && status.handler == "ready";
        world.host.wait_for(PATIENCE, is_back).await.unwrap();
    }
    over(&flow);
    let killed_for = began.elapsed();
    let count = instances.are_complete().await;
    for world in &instances.worlds {
        figures.add(world).await;
    }
    println!(
        "{count} messages were accepted between {KILLS} kills of {INSTANCES} instances in {killed_for:?}: {figures:?}; {} sends \
         tried again",
        flow.repeats.load(Ordering::Relaxed),
    );
    assert!(count > 200, "too few to mean anything: {count}");
    instances.end(kills).await;
}
