//! The table adapters on Azurite: the same contract suites as for memory and file, what only many processes show, and the
//! stories of the real binary with its data in tables.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(unreachable_pub, reason = "shared by the modules of this binary")]

#[allow(dead_code, reason = "each test binary uses its part of it")]
mod azurite;
mod binary;
mod blobs;
mod contract;
mod ends;
mod events;
mod limits;
mod product;
mod tables;
mod web_pubsub;
mod writers;

#[path = "../stories/attachments.rs"]
mod attachments;
#[path = "../stories/people.rs"]
#[allow(dead_code, reason = "each test binary uses its part of it")]
mod people;
#[path = "../product/mod.rs"]
mod real_product;

// The same stories as on memory and on files: their `Product` is the one of `product.rs` here.
#[path = "../http_rooms/calls.rs"]
#[allow(dead_code, reason = "each test binary uses its part of it")]
mod calls;
#[path = "../http_rooms/changes.rs"]
mod changes;
#[path = "../http_rooms/client.rs"]
#[allow(dead_code, reason = "each test binary uses its part of it")]
mod client;
#[path = "../stories/deletion.rs"]
mod deletion;
#[path = "../http_rooms/invitations.rs"]
mod invitations;
#[path = "../stories/isolation.rs"]
mod isolation;
#[path = "../stories/life.rs"]
mod life;
#[path = "../http_rooms/listing.rs"]
mod listing;
#[path = "../stories/marks.rs"]
mod marks;
#[path = "../http_rooms/members.rs"]
mod members;
#[path = "../stories/changes.rs"]
mod message_changes;
#[path = "../http_rooms/notices.rs"]
mod notices;
#[path = "../http_rooms/on_join.rs"]
mod on_join;
#[path = "../http_rooms/private.rs"]
mod private;
#[path = "../http_rooms/races.rs"]
mod races;
#[path = "../http_rooms/restart.rs"]
mod restart;
#[path = "../http_web_pubsub/service.rs"]
#[allow(dead_code, reason = "each test binary uses its part of it")]
mod service;
