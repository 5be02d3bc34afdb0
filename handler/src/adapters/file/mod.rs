//! Everything in one embedded database, kept over restarts and crashes: an `Ok` is on disk.
//! `docs/decisions/003-file-layout.md` describes tables, keys and values.

mod attachments;
mod audit;
mod dead_letters;
mod erasures;
mod handled;
mod inbox;
mod invitations;
mod keys;
mod log;
mod log_rows;
mod members;
mod profiles;
mod rooms;
mod rows;
mod sanctions;
mod sweep;
mod uploads;

pub use attachments::FileAttachments;
pub use audit::FileAudit;
pub use dead_letters::FileDeadLetters;
pub use erasures::FileErasures;
pub use handled::FileHandled;
pub use inbox::FileInbox;
pub use invitations::FileInvitations;
pub use log::FileLog;
pub use members::FileMembers;
pub use profiles::FileProfiles;
pub use rooms::FileRooms;
pub use sanctions::FileSanctions;
pub use uploads::FileUploads;

#[cfg(test)]
mod tests;
