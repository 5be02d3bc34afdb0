//! The embedded queues: in memory, and in a file of the embedded engine. Both keep the order of things in memory; the
//! file has the bodies, so that a backlog costs no more memory than its sequence numbers.

mod core;
mod file;
mod memory;
#[cfg(test)]
mod model_tests;
mod sessions;

use std::time::Duration;

pub use self::file::FileQueue;
pub use self::memory::MemoryQueue;
use crate::ports::queue::MESSAGE_BYTES;
use crate::ports::{Outgoing, QueueError};

/// The bounds of an embedded queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a session's messages may be in hand before they are given to somebody else.
    pub lock: Duration,
    /// Messages it keeps; beyond, `send` is refused.
    pub max_messages: usize,
    /// The same in bytes of body, ids and properties.
    pub max_bytes: usize,
}

impl Limits {
    /// For the queue in memory: what it holds is gone with the process anyhow, so it is kept short.
    pub const MEMORY: Self =
        Self { lock: Duration::from_secs(30), max_messages: 200_000, max_bytes: 256 * 1024 * 1024 };
    /// For the queue in a file.
    pub const FILE: Self =
        Self { lock: Duration::from_secs(30), max_messages: 2_000_000, max_bytes: 4 * 1024 * 1024 * 1024 };
}

/// What is in an embedded queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that wait or are in hand.
    pub depth: usize,
    /// Sessions that have any.
    pub sessions: usize,
}

/// What a message takes, unless it is too large.
fn size_of(message: &Outgoing) -> Result<usize, QueueError> {
    let bytes = message.size();
    if bytes > MESSAGE_BYTES { Err(QueueError::TooLarge { limit: MESSAGE_BYTES }) } else { Ok(bytes) }
}
