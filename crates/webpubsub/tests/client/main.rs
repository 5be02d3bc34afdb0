//! The REST client: its requests against what is published, its operations against the hub, and its manners against a
//! service in trouble. All over real ports.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod hub;
mod published;
mod server;
mod trouble;
