//! The words of the domain: ids, bounds, log entries, rooms. Plain values without I/O; every other module
//! speaks in them.

pub mod bounds;
pub mod entry;
pub mod ids;
pub mod moderation;
pub mod origin;
pub mod people;
pub mod room;
pub mod sanction;
pub mod timestamp;

pub use entry::{Change, Entry, Head, MessageState, NewMessage};
pub use ids::{ConversationId, InvalidId, Marker, MessageId, RoomId, UserId};
pub use moderation::{Decision, Desk, Links, Matter, Report, Review, Rules, Ruling};
pub use origin::Origin;
pub use people::{Erasure, Invitation, Lease, Profile};
pub use room::{Member, ReadMark, Role, Room};
pub use sanction::{Sanction, SanctionKind};
pub use timestamp::Timestamp;
