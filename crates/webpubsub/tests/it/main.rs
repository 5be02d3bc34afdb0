//! The protocol against the transcripts of the emulator, and against itself.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "the fuzz targets share it")]
mod checks;
mod client_frames;
mod cloud_events;
mod connect_event;
mod connection_string;
mod document;
mod mutations;
mod roles;
mod server_frames;
mod tokens;
mod transcripts;
