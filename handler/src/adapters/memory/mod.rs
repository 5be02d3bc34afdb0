//! Everything in this process's memory, gone with it. For trying out, for tests, and where nothing has to last.
//! Locks are short: nothing is awaited or serialised under them.

mod attachments;
mod audit;
mod dead_letters;
mod erasures;
mod handled;
mod inbox;
mod invitations;
mod leases;
mod log;
mod members;
mod profiles;
mod rooms;
mod sanctions;
mod shards;
mod uploads;
mod usage;

pub use attachments::MemoryAttachments;
pub use audit::MemoryAudit;
pub use dead_letters::MemoryDeadLetters;
pub use erasures::MemoryErasures;
pub use handled::MemoryHandled;
pub use inbox::MemoryInbox;
pub use invitations::MemoryInvitations;
pub use leases::MemoryLeases;
pub use log::MemoryLog;
pub use members::MemoryMembers;
pub use profiles::MemoryProfiles;
pub use rooms::MemoryRooms;
pub use sanctions::MemorySanctions;
pub use uploads::MemoryUploads;
pub use usage::MemoryUsage;
