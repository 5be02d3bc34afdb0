//! chat-functions: a chat backend in one binary. See `docs/ARCHITECTURE.md`.

pub mod adapters;
pub mod chat;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
pub mod model;
pub mod ports;
pub mod worker;
