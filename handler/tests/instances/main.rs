//! The program as it is deployed on Azure: several instances under hosts that share one Service Bus, their data in tables
//! on Azurite. What holds when they write to the same rooms, when they are killed, and when the tables are away.
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
mod instances;
mod kills;
mod many;
mod outage;
#[path = "../product/mod.rs"]
mod real_product;
mod senders;
#[path = "../http_web_pubsub/service.rs"]
#[allow(dead_code, reason = "each test binary uses its part of it")]
mod service;
#[path = "../host/world.rs"]
#[allow(dead_code, reason = "each test binary uses its part of it")]
mod world;
