//! Who gets in, and how far: every route against every kind of caller, and every way to prove or forge a name, against the
//! real binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(unreachable_pub, reason = "shared by the modules of this binary")]

mod charges;
mod easy_auth;
mod events;
mod hub;
mod people;
#[path = "../product/mod.rs"]
mod product;
mod routes;
mod sign_in;
mod sockets;
mod table;
mod world;
