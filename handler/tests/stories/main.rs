//! Many people at once, over real sockets, through the real binary.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(unreachable_pub, reason = "shared by the modules of this binary")]

mod attachments;
mod changes;
mod deletion;
mod isolation;
mod life;
mod marks;
mod people;
#[path = "../product/mod.rs"]
mod product;
