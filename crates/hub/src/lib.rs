//! The embedded hub.
pub mod ws;
