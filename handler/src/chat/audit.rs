//! What those who may do more than others did, on record: no act without its record. The record is stored before the act,
//! as begun, so an act whose record cannot be stored is not done; behind the act its outcome is noted. Where that fails the
//! act's answer stays as it is, and the record says what is true: it began, and nobody knows how far it went.

use serde::Serialize;

use super::access::room_id;
use super::history::page_length;
use super::members::user_in;
use super::policy::require_admin;
pub use super::sign_ins::RefusedSignIn;
pub(super) use super::sign_ins::SignIns;
use super::{Caller, Chat, Refused};
use crate::model::{ConversationId, Origin, RoomId, Timestamp, UserId};
use crate::ports::{AuditKey, AuditOutcome, AuditPlace, AuditRecord, StoreError};

/// How long records stay where no setting says.
pub(super) const RETENTION_DAYS: u64 = 90;
/// Records of a page, default and maximum.
const PAGE: usize = 100;
/// Records looked at for one page, and at once.
const SCAN: usize = 2_000;
const SCAN_AT_ONCE: usize = 500;
/// Records forgotten in one round.
const FORGOTTEN: usize = 500;

/// What is done, by whoever calls. Whether it was done before is told by all of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Act {
    /// Stable name.
    pub(super) action: &'static str,
    pub(super) on: Option<UserId>,
    pub(super) room: Option<RoomId>,
    pub(super) conversation: Option<ConversationId>,
    pub(super) target: Option<String>,
    pub(super) reason: Option<String>,
    /// Tells it from the same act another time. It comes from what is stored, never from what a caller may choose: a repeat
    /// is recorded once, and nobody can have a second act taken for a repeat.
    pub(super) occasion: String,
}

/// An act whose record is stored and whose outcome is not.
#[derive(Debug)]
pub(super) struct Begun(AuditPlace);

/// Which records are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditQuery {
    pub by: Option<String>,
    pub on: Option<String>,
    pub room: Option<String>,
    pub action: Option<String>,
    /// From then on.
    pub since: Option<Timestamp>,
    /// Before then.
    pub until: Option<Timestamp>,
    /// The cursor of a former page.
    pub after: Option<String>,
    pub limit: Option<usize>,
}

/// Newest first. A page may be short while there is more: `next` tells.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditPage {
    pub records: Vec<AuditView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditView {
    pub id: String,
    pub at: Timestamp,
    pub action: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room_id: Option<RoomId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub origin: Origin,
    #[serde(flatten)]
    pub outcome: AuditOutcome,
}

impl Act {
    /// In a room.
    pub(super) fn in_room(action: &'static str, room: &RoomId) -> Self {
        Self { action, room: Some(room.clone()), ..Self::default() }
    }

    /// On a user in a room.
    pub(super) fn on(action: &'static str, room: &RoomId, user: &UserId) -> Self {
        Self { on: Some(user.clone()), ..Self::in_room(action, room) }
    }

    fn by(self, caller: &Caller, at: Timestamp) -> AuditRecord {
        let key = AuditKey::of([
            self.action,
            caller.user.as_str(),
            self.on.as_ref().map_or("", UserId::as_str),
            self.room.as_ref().map_or("", RoomId::as_str),
            self.conversation.as_ref().map_or("", ConversationId::as_str),
            self.target.as_deref().unwrap_or_default(),
            &self.occasion,
        ]);
        AuditRecord {
            key,
            at,
            by: Some(caller.user.clone()),
            action: self.action.to_owned(),
            on: self.on,
            room: self.room,
            conversation: self.conversation,
            target: self.target,
            reason: self.reason,
            origin: caller.origin.clone(),
            outcome: AuditOutcome::Begun,
        }
    }
}

impl Chat {
    /// Does the work, on record. Whoever may not do it is refused before.
    pub(super) async fn audited<T>(
        &self,
        caller: &Caller,
        act: Act,
        work: impl Future<Output = Result<T, Refused>> + Send,
    ) -> Result<T, Refused> {
        let begun = self.begin_act(caller, act).await?;
        let outcome = work.await;
        self.end_act(begun, &outcome).await;
        outcome
    }

    /// Records that the act is about to be done.
    pub(super) async fn begin_act(&self, caller: &Caller, act: Act) -> Result<Begun, Refused> {
        let record = act.by(caller, self.ports.clock.now());
        Ok(Begun(self.ports.audit.append(&record).await.map_err(|error| self.not_recorded(&error))?))
    }

    /// Notes how it ended. A dependency that was away, or a limit, leaves it open: whoever repeats the act ends it.
    pub(super) async fn end_act<T>(&self, begun: Begun, outcome: &Result<T, Refused>) {
        let outcome = match outcome {
            Ok(_) => AuditOutcome::Done,
            Err(refused) if refused.may_be_repeated() => return,
            Err(refused) => AuditOutcome::Refused { code: refused.code.to_owned() },
        };
        if let Err(error) = self.ports.audit.settle(&begun.0, &outcome).await {
            self.counters.audit_failures.add(1);
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, record = %begun.0, ?outcome, "the outcome of an act is not on record");
        }
    }

    /// Records what was looked at, which is done by then; told to nobody before it is on record.
    pub(super) async fn note_act(&self, caller: &Caller, act: Act) -> Result<(), Refused> {
        let record = AuditRecord { outcome: AuditOutcome::Done, ..act.by(caller, self.ports.clock.now()) };
        self.ports.audit.append(&record).await.map_err(|error| self.not_recorded(&error))?;
        Ok(())
    }

    fn not_recorded(&self, error: &StoreError) -> Refused {
        self.counters.audit_failures.add(1);
        let error = error as &dyn std::error::Error;
        tracing::warn!(error, "an act was not done, because it cannot be recorded");
        Refused::unavailable(
            "audit_unavailable",
            "The act cannot be recorded, so it was not done. Try again.",
        )
    }

    /// Records, newest first; for admins.
    pub async fn list_audit(&self, caller: &Caller, query: &AuditQuery) -> Result<AuditPage, Refused> {
        require_admin(caller)?;
        let limit = page_length(query.limit, PAGE, PAGE)?;
        let wanted = Wanted::of(query)?;
        let mut before = wanted.before(query)?;
        let (mut records, mut scanned) = (Vec::new(), 0);
        loop {
            let rows = self.ports.audit.list(before.as_ref(), SCAN_AT_ONCE).await?;
            let is_last = rows.len() < SCAN_AT_ONCE;
            scanned += rows.len();
            for row in rows {
                if wanted.since.is_some_and(|since| row.at < since) {
                    return Ok(AuditPage { records, next: None });
                }
                before = Some(row.place());
                if wanted.matches(&row) {
                    records.push(AuditView::from(row));
                }
                if records.len() == limit {
                    return Ok(AuditPage { records, next: before.map(|place| place.to_string()) });
                }
            }
            if is_last {
                return Ok(AuditPage { records, next: None });
            }
            if scanned >= SCAN {
                return Ok(AuditPage { records, next: before.map(|place| place.to_string()) });
            }
        }
    }

    /// Removes records whose time is over, as many as one round may. Answers how many; the timer asks again while there
    /// are any.
    pub async fn forget_audit(&self) -> Result<usize, Refused> {
        let until = self.ports.clock.now().days_before(self.audit_days);
        Ok(self.ports.audit.forget(until, FORGOTTEN).await?)
    }
}

/// The query, read.
struct Wanted<'a> {
    by: Option<UserId>,
    on: Option<UserId>,
    room: Option<RoomId>,
    action: Option<&'a str>,
    since: Option<Timestamp>,
}

impl<'a> Wanted<'a> {
    fn of(query: &'a AuditQuery) -> Result<Self, Refused> {
        Ok(Self {
            by: query.by.as_deref().map(|by| user_in("by", by)).transpose()?,
            on: query.on.as_deref().map(|on| user_in("on", on)).transpose()?,
            room: query.room.as_deref().map(room_id).transpose()?,
            action: query.action.as_deref(),
            since: query.since,
        })
    }

    /// Where the page begins.
    fn before(&self, query: &AuditQuery) -> Result<Option<AuditPlace>, Refused> {
        let place = |text: &String| {
            AuditPlace::parse(text).ok_or_else(|| {
                Refused::invalid("invalid_cursor", "after", "after must be the next of a former page.")
            })
        };
        let after = query.after.as_ref().map(place).transpose()?;
        let until = query.until.map(AuditPlace::first_of);
        Ok(after.into_iter().chain(until).min())
    }

    fn matches(&self, record: &AuditRecord) -> bool {
        self.by.as_ref().is_none_or(|by| record.by.as_ref() == Some(by))
            && self.on.as_ref().is_none_or(|on| record.on.as_ref() == Some(on))
            && self.room.as_ref().is_none_or(|room| record.room.as_ref() == Some(room))
            && self.action.is_none_or(|action| record.action == action)
    }
}

impl From<AuditRecord> for AuditView {
    fn from(record: AuditRecord) -> Self {
        Self {
            id: record.place().to_string(),
            at: record.at,
            action: record.action,
            by: record.by,
            on: record.on,
            room_id: record.room,
            conversation: record.conversation,
            target: record.target,
            reason: record.reason,
            origin: record.origin,
            outcome: record.outcome,
        }
    }
}
