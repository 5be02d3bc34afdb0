//! chat-functions: a chat backend in one binary. See `docs/ARCHITECTURE.md`.

pub mod adapters;
pub mod model;
pub mod ports;
