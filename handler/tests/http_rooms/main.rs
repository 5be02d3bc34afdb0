//! What people do with rooms, over the real HTTP port and real sockets, through the real binary.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(unreachable_pub, reason = "shared by the modules of this binary")]

mod calls;
mod changes;
mod client;
mod invitations;
mod listing;
mod members;
mod notices;
mod on_join;
#[path = "../stories/people.rs"]
#[allow(dead_code, reason = "each test binary uses its part of it")]
mod people;
mod private;
#[path = "../product/mod.rs"]
mod product;
mod races;
mod restart;
