//! The use cases. They know the domain's words and the ports, and nothing of HTTP, Azure or sockets.
//!
//! A message goes [`Chat::send_message`] → queue → [`Chat::deliver`], or over a socket [`Chat::event`]; both end in the
//! conversation's appender, the only place that appends to a log and fans out.

mod access;
mod appender;
mod attachments;
mod audit;
mod backoff;
mod bans;
mod budget;
mod burials;
mod chores;
mod command;
mod connections;
pub mod counters;
mod decisions;
mod deliver;
mod doors;
mod edits;
mod enforcement;
mod erasing;
mod error;
mod export;
mod fanout;
mod fields;
mod files;
mod fleeting;
pub mod groups;
mod history;
mod inbox;
mod ingest;
mod invitations;
mod kept_reviews;
mod known;
mod lately;
mod letters;
mod limits;
mod links;
mod live;
mod live_messages;
mod live_moderation;
mod live_reviews;
mod live_rooms;
mod marks;
mod members;
mod membership;
mod message;
mod moderation;
mod my_rooms;
mod names;
mod online;
mod parking;
mod pins;
mod policy;
mod presence;
mod profile;
mod pulse;
mod reactions;
mod readers;
mod readings;
mod removal;
mod repair;
mod replay;
mod reports;
mod reviews;
mod room_edit;
mod room_notices;
mod room_pages;
mod rooms;
mod rules;
mod scene;
mod sign_ins;
mod sign_out;
mod sync;
mod turns;
mod upkeep;
mod view;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use appender::Appenders;
pub use attachments::{AttachmentView, NewAttachment, UploadTicket};
use audit::SignIns;
pub use audit::{AuditPage, AuditQuery, AuditView, RefusedSignIn};
pub use bans::{NewSanction, SanctionPage, SanctionView};
pub use burials::NotStored;
pub use chores::{CHORES_EVERY, Round, RoundOutcome};
pub use connections::Welcome;
pub use counters::Counters;
pub use deliver::{Fate, NotDelivered, Patience};
pub use erasing::ErasureView;
pub use error::{Kind, Refused};
pub use export::{ExportPage, ExportRecord};
pub use fields::Naming;
pub use history::{Gap, History, PageRequest, page_length};
pub use inbox::InboxPage;
pub use ingest::{Accepted, Status};
pub use invitations::{InvitationPage, InvitationView, Issued, NewInvitation};
use known::Known;
use lately::Lately;
pub use letters::LetterPage;
pub use limits::{EXCHANGE_EVERY, Exchange, Limits};
use links::Links;
pub use live::error_frame;
pub use marks::{DirectRead, ReadUpTo};
pub use members::{MemberPage, MemberQuery, MemberView, role_named};
pub use message::{Poison, QueuedMessage, Submission, Target};
pub use my_rooms::{MyRoom, MyRooms};
use names::Names;
pub use online::{OnlinePage, PresenceView, Presences};
pub use pins::{Pins, PinsChanged};
use presence::Presence;
pub use profile::ProfileView;
use pulse::Pulse;
pub use reactions::{ReactedPage, ReactionsView};
pub use readers::{Reader, ReaderPage};
use readings::Readings;
pub use replay::Replayed;
pub use reports::Reported;
pub use reviews::{ReviewPage, ReviewView, desk_of};
pub use room_edit::RoomEdit;
use room_notices::RoomNotices;
pub use room_pages::{FoundRooms, RoomPage};
pub use rooms::NewRoom;
pub use rules::RulesView;
pub use scene::{Changed, PresentMessage, Venue};
pub use sign_out::SignedOut;
pub use sync::{Sync, SyncRequest};
use turns::Turns;
pub use view::{MessageView, RoomView};

use crate::model::{AttachmentRules, ConversationId, Lease, Origin, RateLimits, RoomId, Sanction, UserId};
use crate::ports::{
    Attachments, Audit, Clock, DeadLetters, Due, Erasures, Handled, Ids, Inbox, Invitations, Leases, Log,
    Members, Moderator, Profiles, Queue, Reviews, Rooms, Sanctions, Transport, Uploads,
};

/// The world as the chat sees it.
#[derive(Clone)]
pub struct Ports {
    pub log: Arc<dyn Log>,
    pub rooms: Arc<dyn Rooms>,
    pub members: Arc<dyn Members>,
    pub sanctions: Arc<dyn Sanctions>,
    pub invitations: Arc<dyn Invitations>,
    pub profiles: Arc<dyn Profiles>,
    pub leases: Arc<dyn Leases>,
    pub inbox: Arc<dyn Inbox>,
    pub letters: Arc<dyn DeadLetters>,
    pub uploads: Arc<dyn Uploads>,
    /// None where no files are taken.
    pub attachments: Option<Arc<dyn Attachments>>,
    pub reviews: Arc<dyn Reviews>,
    pub moderator: Arc<dyn Moderator>,
    pub erasures: Arc<dyn Erasures>,
    pub audit: Arc<dyn Audit>,
    pub handled: Arc<dyn Handled>,
    pub queue: Arc<dyn Queue>,
    pub transport: Arc<dyn Transport>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct ChatOptions {
    /// Callers are who they say they are. Public rooms then take messages from, and are read by, those who never joined.
    pub anonymous: bool,
    /// Joining a room that is not there makes it, and it goes with the last who leaves.
    pub create_on_join: bool,
    /// What everybody says is judged; without, only what rooms with rules of their own are sent.
    pub moderated: bool,
    /// How many days what is said is kept; none = for ever.
    pub retention_days: Option<u32>,
}

/// Who is calling, as the way in has established it.
#[derive(Clone, Debug)]
pub struct Caller {
    pub user: UserId,
    pub is_admin: bool,
    pub via: Via,
    /// From where; for the audit.
    pub origin: Origin,
}

/// The way in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    Request,
    /// A live connection, by the transport's id for it. It gets answers, and no copy of what it sent itself.
    Socket {
        connection: String,
        /// What tells this event from the connection's others, where a copy of it may come. It stands for the id that the
        /// client left out.
        event: Option<String>,
    },
}

impl Caller {
    #[must_use]
    pub fn request(user: UserId) -> Self {
        Self { user, is_admin: false, via: Via::Request, origin: Origin::Unknown }
    }

    #[must_use]
    pub fn socket(user: UserId, connection: impl Into<String>) -> Self {
        let connection = connection.into();
        let origin = Origin::connection(&connection);
        Self { user, is_admin: false, via: Via::Socket { connection, event: None }, origin }
    }

    /// In this event of the connection.
    #[must_use]
    pub fn in_event(mut self, id: &str) -> Self {
        if let Via::Socket { event, .. } = &mut self.via {
            *event = Some(id.to_owned()).filter(|id| !id.is_empty());
        }
        self
    }

    /// The same for a copy of the same event, and for nothing else.
    fn repeat_key(&self) -> Option<String> {
        match &self.via {
            Via::Socket { connection, event: Some(event) } => Some(format!("{connection}:{event}")),
            _ => None,
        }
    }

    /// This program by itself, with all rights.
    #[must_use]
    pub fn timer() -> Self {
        Self { is_admin: true, origin: Origin::Timer, ..Self::request(UserId::system()) }
    }

    fn connection(&self) -> Option<&str> {
        match &self.via {
            Via::Request => None,
            Via::Socket { connection, .. } => Some(connection),
        }
    }
}

/// The chat: every use case is a method. Cheap to share behind an `Arc`; made inside or outside a runtime, used inside.
pub struct Chat {
    ports: Ports,
    options: ChatOptions,
    known: Arc<Known>,
    names: Names,
    lately: Lately,
    appenders: Appenders,
    pulse: Arc<Pulse>,
    presence: Arc<Presence>,
    counters: Arc<Counters>,
    notices: RoomNotices,
    files: AttachmentRules,
    links: Links,
    /// Of those who change a room's row.
    turns: Turns<RoomId>,
    limits: Arc<Limits>,
    /// Whom nobody in a room may sanction.
    admins: Vec<UserId>,
    sign_ins: SignIns,
    readings: Readings,
    /// One round of replays at a time.
    replaying: tokio::sync::Mutex<()>,
    /// Of those who deliver letters of a conversation, or discard one.
    letter_turns: Turns<ConversationId>,
    /// How long a record of the audit stays.
    audit_days: u64,
    begun: chores::Begun,
    /// The last lease the repair looked at, where it did not come to the end.
    repaired_up_to: tokio::sync::Mutex<Option<Lease>>,
    /// The same of sanctions.
    finished_up_to: tokio::sync::Mutex<Option<(RoomId, Sanction)>>,
    /// The last conversation the upkeep looked at, where it did not come to the end.
    walked_up_to: tokio::sync::Mutex<Option<ConversationId>>,
    /// Where the next round of files begins.
    files_up_to: tokio::sync::Mutex<Option<Due>>,
    /// Held by who goes on with erasures.
    erasing: tokio::sync::Mutex<()>,
}

impl Chat {
    #[must_use]
    pub fn new(ports: Ports, options: ChatOptions) -> Self {
        let counters = Arc::new(Counters::default());
        let known = Arc::new(Known::new(&ports));
        let names = Names::new(Arc::clone(&ports.profiles));
        let appenders = Appenders::new(ports.clone(), Arc::clone(&known), Arc::clone(&counters));
        let pulse = Arc::new(Pulse::new(ports.clone()));
        let presence = Arc::new(Presence::new(ports.clone(), Arc::clone(&pulse)));
        let notices = RoomNotices::new(ports.clone());
        let links = Links::new(ports.clone());
        Self {
            ports,
            options,
            known,
            names,
            lately: Lately::default(),
            appenders,
            pulse,
            presence,
            counters,
            notices,
            files: AttachmentRules::default(),
            links,
            turns: Turns::default(),
            limits: Arc::new(Limits::new(&RateLimits::default())),
            admins: Vec::new(),
            sign_ins: SignIns::default(),
            readings: Readings::default(),
            replaying: tokio::sync::Mutex::default(),
            letter_turns: Turns::default(),
            audit_days: audit::RETENTION_DAYS,
            begun: chores::Begun::default(),
            repaired_up_to: tokio::sync::Mutex::default(),
            finished_up_to: tokio::sync::Mutex::default(),
            walked_up_to: tokio::sync::Mutex::default(),
            files_up_to: tokio::sync::Mutex::default(),
            erasing: tokio::sync::Mutex::default(),
        }
    }

    /// Names the deployment's admins.
    #[must_use]
    pub fn with_admins(mut self, admins: &[UserId]) -> Self {
        self.admins = admins.to_vec();
        self
    }

    /// Limits what callers may do; without, nothing is limited.
    #[must_use]
    pub fn with_limits(mut self, limits: Arc<Limits>) -> Self {
        self.limits = limits;
        self
    }

    /// Says how long records of the audit stay.
    #[must_use]
    pub fn with_audit_days(mut self, days: u64) -> Self {
        self.audit_days = days;
        self
    }

    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}
