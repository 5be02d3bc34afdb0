//! The client side: raw sockets and just enough WebSocket to count.

pub(crate) mod frames;
pub(crate) mod socket;

pub(crate) use socket::{Socket, http};
