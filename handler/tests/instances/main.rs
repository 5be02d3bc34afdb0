//! The program as it is deployed on Azure: under hosts that share one Service Bus, its data in tables on Azurite, its clients
//! at a hub process. What holds when several instances write to the same rooms, when they are killed, when calls of other
//! machines go wrong, and when one of those machines is away.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests fail their test, and figures are printed"
)]
#![allow(unreachable_pub, reason = "shared with other binaries")]

#[path = "../azurite/azurite.rs"]
#[allow(dead_code, reason = "each test binary uses its part of it")]
mod azurite;
mod calls_of_messages;
#[path = "../host/client.rs"]
#[allow(dead_code, reason = "each test binary uses its part of it")]
mod client;
mod combinations;
mod deployed;
mod faults;
mod instances;
mod kills;
mod kinds;
mod many;
mod outage;
#[path = "../stories/people.rs"]
#[allow(dead_code, reason = "each test binary uses its part of it")]
mod people;
mod product;
mod proxy;
#[path = "../product/mod.rs"]
mod real_product;
mod senders;
#[path = "../http_web_pubsub/service.rs"]
#[allow(dead_code, reason = "each test binary uses its part of it")]
mod service;
mod watcher;
#[path = "../host/world.rs"]
#[allow(dead_code, reason = "each test binary uses its part of it")]
mod world;

// The same stories as on files and in memory: here `App` and `Product` keep their data in tables.
#[path = "../http_rooms/calls.rs"]
#[allow(dead_code, reason = "each test binary uses its part of it")]
mod calls;
#[path = "../stories/changes.rs"]
mod changes;
#[path = "../stories/isolation.rs"]
mod isolation;
#[path = "../http_rooms/on_join.rs"]
mod on_join;
#[path = "../http_rooms/races.rs"]
mod races;
#[path = "../host/story.rs"]
mod story;

fn store(settings: &mut funchost::Settings) {
    settings.set("STORAGE_MODE", "table");
    settings.set("AZURE_STORAGE_CONNECTION_STRING", &azurite::azurite().connection);
    settings.set("CHAT_TABLE_NAME", azurite::prefix());
}
