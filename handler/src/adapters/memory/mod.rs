//! Everything in this process's memory, gone with it. For trying out, for tests, and where nothing has to last.
//! Locks are short: nothing is awaited or serialised under them.

mod dead_letters;
mod inbox;
mod log;
mod members;
mod rooms;
mod shards;

pub use dead_letters::MemoryDeadLetters;
pub use inbox::MemoryInbox;
pub use log::MemoryLog;
pub use members::MemoryMembers;
pub use rooms::MemoryRooms;
