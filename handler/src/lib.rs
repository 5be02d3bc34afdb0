//! chat-functions: a chat backend in one binary. See `docs/ARCHITECTURE.md`.

pub mod adapters;
pub mod app;
pub mod calls;
mod chance;
pub mod chat;
pub mod cli;
pub mod config;
#[cfg(any(test, feature = "testing"))]
pub mod contract;
pub mod error;
pub mod events;
pub mod functions;
mod host_json;
pub mod lifecycle;
pub mod logging;
pub mod model;
pub mod ports;
mod reach;
pub mod repairs;
pub mod trace;
pub mod worker;
