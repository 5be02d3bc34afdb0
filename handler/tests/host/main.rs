//! The real program under the Functions host's double, with the repository's own `host.json` and function folders:
//! HTTP in through the host's port, Service Bus behind it, triggers back in, history and sockets out.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail their test"
)]

mod captures;
#[allow(dead_code, reason = "each test binary uses its part of it")]
mod client;
mod crash;
mod dead_letters;
mod foreign;
mod local;
mod outage;
mod panics;
mod poison;
mod repeats;
mod story;
mod world;

fn store(settings: &mut funchost::Settings) {
    settings.set("STORAGE_MODE", "file");
}
