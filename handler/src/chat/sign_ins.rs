//! Sign-ins that were refused, on record. Anybody can cause them, so there are bounds: one record a minute for the same
//! refusal from the same place, and so many a minute in all; the rest is counted, and the count is on record.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Chat;
use crate::model::{Origin, Timestamp, UserId};
use crate::ports::{AuditKey, AuditOutcome, AuditRecord};

/// Records of a minute and process, at most.
const A_MINUTE: usize = 60;
const MINUTE_MILLIS: u64 = 60_000;
/// Whoever was refused does not wait longer for it.
const PATIENCE: Duration = Duration::from_secs(2);
const ACTION: &str = "sign_in";

/// Somebody did not prove to be who they said.
#[derive(Clone, Debug)]
pub struct RefusedSignIn {
    /// Whom they named, as far as that can be read. Nothing of it is proven.
    pub claimed: Option<UserId>,
    /// Why, as a stable code.
    pub code: &'static str,
    pub origin: Origin,
}

/// What was recorded in the minute that is running.
#[derive(Debug, Default)]
pub(super) struct SignIns(Mutex<Minute>);

#[derive(Debug, Default)]
struct Minute {
    number: u64,
    known: HashSet<AuditKey>,
    left_out: u64,
}

impl SignIns {
    /// Whether this one is to be recorded, and how many of the minute before were left out, told once.
    fn admit(&self, number: u64, key: AuditKey) -> (bool, u64) {
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = 0;
        if minute.number != number {
            before = std::mem::take(&mut minute.left_out);
            *minute = Minute { number, ..Minute::default() };
        }
        if minute.known.contains(&key) {
            return (false, before);
        }
        if minute.known.len() >= A_MINUTE {
            minute.left_out += 1;
            return (false, before);
        }
        minute.known.insert(key);
        (true, before)
    }
}

impl Chat {
    /// Records a refused sign-in. It stays refused whatever the store says; what cannot be stored is told in the program's
    /// own log and counted.
    pub async fn note_refused_sign_in(&self, refused: RefusedSignIn) {
        let now = self.ports.clock.now();
        let minute = now.millis() / MINUTE_MILLIS;
        let record = refused.record(now, minute);
        let (is_admitted, left_out) = self.sign_ins.admit(minute, record.key);
        if left_out > 0 {
            let target = Some(format!("{left_out} more in the minute before"));
            let key = AuditKey::of([ACTION, "left out", &self.ports.ids.token()]);
            let summary = AuditRecord { key, on: None, target, origin: Origin::Unknown, ..record.clone() };
            self.record_sign_in(&summary).await;
        }
        if is_admitted {
            self.record_sign_in(&record).await;
        }
    }

    async fn record_sign_in(&self, record: &AuditRecord) {
        let stored = tokio::time::timeout(PATIENCE, self.ports.audit.append(record)).await;
        if !matches!(stored, Ok(Ok(_))) {
            self.counters.audit_failures.add(1);
            let (on, origin) = (record.on.as_ref().map(UserId::as_str), &record.origin);
            tracing::error!(on, %origin, outcome = ?record.outcome, "a refused sign-in is not on record");
        }
    }
}

impl RefusedSignIn {
    fn record(self, at: Timestamp, minute: u64) -> AuditRecord {
        // Connections come one after the other from the same place, which only their service knows; their user is proven to it.
        let place = match (&self.origin, &self.claimed) {
            (Origin::Connection(_), Some(user)) => format!("connection of {user}"),
            // Whom somebody claims to be costs them nothing, so it makes no other refusal.
            (origin, _) => origin.to_string(),
        };
        let key = AuditKey::of([ACTION, self.code, &place, &minute.to_string()]);
        AuditRecord {
            key,
            at,
            by: None,
            action: ACTION.to_owned(),
            on: self.claimed,
            room: None,
            conversation: None,
            target: None,
            reason: None,
            origin: self.origin,
            outcome: AuditOutcome::Refused { code: self.code.to_owned() },
        }
    }
}
