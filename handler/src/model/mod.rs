//! The words of the domain: ids, bounds, log entries, rooms. Plain values without I/O; every other module
//! speaks in them.

pub mod attachment;
pub mod bounds;
pub mod entry;
pub mod event;
pub mod ids;
pub mod origin;
pub mod people;
pub mod room;
pub mod sanction;
pub mod timestamp;
pub mod usage;

pub use attachment::{AttachmentId, AttachmentRules, Upload, file_name};
pub use entry::{Change, Entry, Head, MessageState, NewMessage};
pub use event::HandledEvent;
pub use ids::{ConversationId, InvalidId, Marker, MessageId, RoomId, UserId};
pub use origin::Origin;
pub use people::{Erasure, Invitation, Lease, Profile};
pub use room::{Member, ReadMark, Role, Room};
pub use sanction::{Sanction, SanctionKind};
pub use timestamp::Timestamp;
pub use usage::{RateLimit, RateLimits, UsageCount, UsageReport};
