//! Azure Table Storage, or Azurite, behind the storing ports: a client layer, keys, rows, and one file per port.

mod account;
mod audit;
mod client;
mod dead_letters;
mod erasures;
mod handled;
mod inbox;
mod invitations;
mod keys;
mod lanes;
mod leases;
mod log;
mod log_append;
mod log_redact;
mod log_rows;
mod log_view;
mod members;
mod pause;
mod profiles;
mod rooms;
mod row;
mod sanctions;
mod uploads;
mod usage;
mod wire;

pub use account::{StorageAccount, StorageAccountError};
pub use audit::TableAudit;
pub use client::{TABLE_PREFIX_CHARS, Tables};
pub use dead_letters::TableDeadLetters;
pub use erasures::TableErasures;
pub use handled::TableHandled;
pub use inbox::TableInbox;
pub use invitations::TableInvitations;
pub use leases::TableLeases;
pub use log::TableLog;
pub use members::TableMembers;
pub use profiles::TableProfiles;
pub use rooms::TableRooms;
pub use sanctions::TableSanctions;
pub use uploads::TableUploads;
pub use usage::TableUsage;

/// Its name in errors.
const STORE: &str = "Table Storage";
