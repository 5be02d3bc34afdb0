//! The server's side of RFC 6455: handshake, frames out, frames in.
//!
//! No socket lives here. The decoder is fed with whatever bytes arrived and keeps a buffer only while a message is
//! incomplete; the encoder writes a whole server frame in front of its payload, so that a frame can be shared.
//! Extensions (`permessage-deflate` included) are never offered. Why this is our own: `docs/decisions/002`.

mod decoder;
mod encode;
pub mod handshake;

pub use decoder::{Decoder, Incoming, ProtocolError};
pub use encode::{MAX_HEADER, Opcode, close_frame, frame, header};
