//! chat-functions: a chat backend in one binary. See `docs/ARCHITECTURE.md`.

pub mod adapters;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
pub mod model;
pub mod ports;
