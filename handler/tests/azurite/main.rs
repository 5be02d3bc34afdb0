//! The table adapters on Azurite: the same contract suites as for memory and file, and what only many processes show.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(unreachable_pub, reason = "shared by the modules of this binary")]

mod azurite;
mod contract;
mod writers;
