//! Reports: a reader says that those who moderate should look at a message.

use serde::Serialize;

use super::edits::check_reason;
use super::reviews::desk;
use super::scene::{PresentMessage, Scene};
use super::view::Place;
use super::{Caller, Chat, Refused, Venue};
use crate::model::{Matter, Report, Review, Timestamp, UserId, bounds};

/// Tries to add a report where others do so at once.
const TRIES: usize = 10;

/// `{"status":"reported","seq","room_id","room_name"}`, or with `"conversation","to"`.
#[derive(Debug, Serialize)]
pub struct Reported {
    status: &'static str,
    seq: u64,
    #[serde(flatten)]
    place: PlaceOf,
}

/// A place that is its own.
#[derive(Debug)]
struct PlaceOf(PresentMessage);

impl Serialize for PlaceOf {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let place: Place<'_> = self.0.scene.place(&self.0.state.message.sender);
        place.serialize(serializer)
    }
}

impl Chat {
    /// Puts the message before those who moderate, with the reason if there is one. Whoever may read it may report it, once: a repeat
    /// changes nothing. What was decided of the message as it stands is not opened again.
    pub async fn report(
        &self,
        caller: &Caller,
        venue: &Venue,
        seq: u64,
        reason: Option<&str>,
    ) -> Result<Reported, Refused> {
        let reason = check_reason(reason)?;
        let message = self.message(caller, venue, seq).await?;
        if message.state.message.sender == caller.user {
            return Err(Refused::conflict(
                "own_message",
                "You can delete your own message, but not report it.",
            ));
        }
        if message.state.deleted_at.is_some() {
            return Err(Refused::message_deleted());
        }
        let paid = self.charge_act(caller, &message.scene)?;
        let report = Report { by: caller.user.clone(), reason, at: self.ports.clock.now() };
        if !self.add_report(&message, seq, report).await? {
            self.limits.give_back(&paid);
        }
        Ok(Reported { status: "reported", seq, place: PlaceOf(message) })
    }

    /// Answers whether it was one more.
    async fn add_report(&self, message: &PresentMessage, seq: u64, report: Report) -> Result<bool, Refused> {
        let fresh = self.review_of(message, seq, report.clone());
        let there = self.ports.reviews.get(&fresh.desk, &fresh.id).await?;
        if there.is_some_and(|there| !takes_report_of(&report.by, &there)) {
            return Ok(false);
        }
        if !self.has_place_for_report(&fresh.desk, &report.by).await? {
            return Err(too_many_reports());
        }
        for _ in 0..TRIES {
            let mut there = self.ports.reviews.open(&fresh).await?;
            if !takes_report_of(&report.by, &there) {
                return Ok(true);
            }
            let Matter::Reported { reports, .. } = &mut there.matter else { return Ok(true) };
            reports.push(report.clone());
            if self.ports.reviews.update(&there).await? {
                return Ok(true);
            }
        }
        Err(Refused::unavailable("busy", "Many report this message at the moment. Try again."))
    }

    /// The id names the message as it stands: what is edited behind a decision may be reported anew.
    fn review_of(&self, message: &PresentMessage, seq: u64, report: Report) -> Review {
        let (conversation, state) = (message.scene.conversation(), &message.state);
        let edition = state.edited_at.map_or(0, Timestamp::millis);
        Review {
            id: match &message.scene {
                Scene::Room(_) => format!("reported_{seq}_{edition}"),
                Scene::Pair(..) => format!("reported_{conversation}_{seq}_{edition}"),
            },
            desk: desk(&conversation),
            opened_at: report.at,
            receiver: match &message.scene {
                Scene::Room(_) => None,
                Scene::Pair(_, one, other) => {
                    Some(if state.message.sender == *one { other.clone() } else { one.clone() })
                }
            },
            conversation,
            message: state.message.clone(),
            matter: Matter::Reported { seq, reports: vec![report] },
            decision: None,
            revision: 0,
        }
    }
}

/// Whether a report of this user would change anything.
fn takes_report_of(user: &UserId, review: &Review) -> bool {
    let Matter::Reported { reports, .. } = &review.matter else { return false };
    review.decision.is_none() && reports.len() < bounds::REPORTS_PER_MESSAGE && !review.is_reported_by(user)
}

fn too_many_reports() -> Refused {
    let sentence = "As many reports wait for those who moderate as may. Try again later.";
    Refused::conflict("too_many_reports", sentence)
}
