//! chat-functions: a chat backend in one binary. See `docs/ARCHITECTURE.md`.

pub mod chat;
pub mod model;
pub mod ports;
pub mod worker;
