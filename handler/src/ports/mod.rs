//! What the chat logic asks of the world. Each trait's documentation is its law; the suites in `crate::contract`
//! hold every adapter to it.

pub mod attachments;
pub mod audit;
pub mod clock;
pub mod dead_letters;
pub mod erasures;
pub mod error;
pub mod handled;
pub mod inbox;
pub mod invitations;
pub mod leases;
pub mod log;
pub mod members;
pub mod moderator;
pub mod profiles;
pub mod queue;
pub mod reviews;
pub mod rooms;
pub mod sanctions;
pub mod tokens;
pub mod transport;
pub mod uploads;
pub mod usage;

pub use attachments::{Attachments, Content, LOOKED_AT, LinkError, LocalFiles, Served, Stored};
pub use audit::{Audit, AuditKey, AuditOutcome, AuditPlace, AuditRecord};
pub use clock::{Clock, Ids};
pub use dead_letters::{DeadLetters, Letter, LetterKind, NewLetter, Replay, Replays};
pub use erasures::Erasures;
pub use error::{StoreError, reason_in_public, reasons};
pub use handled::Handled;
pub use inbox::{Inbox, InboxItem, InboxKey};
pub use invitations::{Invitations, Redeemed};
pub use leases::Leases;
pub use log::{EntryPage, Log, LogError, MessagePage, NewEntry, Outcome, Page, Position, Refusal};
pub use members::Members;
pub use moderator::{Judgement, Moderator, ModeratorError, Question};
pub use profiles::Profiles;
pub use queue::{Deliveries, Delivery, Entity, Outgoing, Properties, Queue, QueueError, Received};
pub use reviews::Reviews;
pub use rooms::{CreateRoomError, Rooms, UpdateRoomError};
pub use sanctions::Sanctions;
pub use tokens::{Claims, NotVerified, Tokens};
pub use transport::{ClientAccess, Transport, TransportError};
pub use uploads::{Due, Mark, Reserved, Uploads};
pub use usage::Usage;
