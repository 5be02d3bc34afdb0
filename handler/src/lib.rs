//! chat-functions: a chat backend in one binary. See `docs/ARCHITECTURE.md`.

pub mod adapters;
pub mod chat;
pub mod config;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
pub mod error;
pub mod events;
pub mod functions;
pub mod logging;
pub mod model;
pub mod ports;
pub mod worker;
