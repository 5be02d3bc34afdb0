//! How long reviews stay. They hold a copy of what was said, so they go with their time, with their room and with its author; and
//! only so many wait at one desk.

use super::parking::of_review;
use super::{Chat, Refused};
use crate::model::{Desk, Matter, Review, RoomId, Timestamp, UserId, bounds};
use crate::ports::StoreError;

/// Reviews read at once.
const PAGE: usize = bounds::REVIEWS_PAGE;
/// What a sender is told whose message is held while many are.
pub(super) const TOO_MANY_HELD: &str = "too_many_held";
pub(super) const TOO_MANY_HELD_SENTENCE: &str =
    "Somebody has to look at the message first, and too many wait for that already. Try again later.";

impl Chat {
    /// One round at the desk of direct messages; a room's is looked at with its conversation.
    pub(super) async fn forget_direct_reviews(&self) -> Result<usize, Refused> {
        self.forget_reviews(&Desk::Direct, self.options.retention_days).await
    }

    /// What was decided stays as long as the audit has the decision, and nothing longer than what is said.
    pub(super) async fn forget_reviews(&self, desk: &Desk, days: Option<u32>) -> Result<usize, Refused> {
        let now = self.ports.clock.now();
        let decided_before = now.days_before(self.audit_days);
        let opened_before = days.map(|days| now.days_before(u64::from(days)));
        let is_over = |review: &Review| {
            let decided_at = review.decision.as_ref().filter(|_| !review.is_open()).map(|done| done.at);
            decided_at.is_some_and(|at| at < decided_before)
                || opened_before.is_some_and(|before| review.opened_at < before)
        };
        let (mut after, mut count) = (None::<String>, 0);
        while let Some(page) = self.reviews_behind(desk, &mut after).await? {
            for review in page.iter().filter(|review| is_over(review)) {
                count += usize::from(self.ports.reviews.remove(desk, &review.id).await?);
            }
        }
        Ok(count)
    }

    /// All of a room that ends. What waited for a decision is among the rejected letters from then on.
    pub(super) async fn drop_reviews(&self, room: &RoomId) -> Result<(), Refused> {
        let (desk, mut after) = (Desk::Room(room.clone()), None);
        while let Some(page) = self.reviews_behind(&desk, &mut after).await? {
            for review in page {
                if let Some(letter) = of_review(&review, self.ports.clock.now()) {
                    self.ports.letters.put(&letter).await?;
                }
                self.ports.reviews.remove(&desk, &review.id).await?;
            }
        }
        Ok(())
    }

    /// What they said goes with its review, and what they reported goes from the reviews of others.
    pub(super) async fn erase_in_reviews(&self, user: &UserId, desk: &Desk) -> Result<(), Refused> {
        let mut after = None;
        while let Some(page) = self.reviews_behind(desk, &mut after).await? {
            for review in page {
                self.erase_in_review(user, review).await?;
            }
        }
        Ok(())
    }

    async fn erase_in_review(&self, user: &UserId, mut review: Review) -> Result<(), Refused> {
        let is_undecided = review.decision.is_none();
        let is_theirs = review.message.sender == *user;
        let is_empty = match &mut review.matter {
            Matter::Reported { reports, .. } if !is_theirs => {
                let count = reports.len();
                reports.retain(|report| report.by != *user);
                if reports.len() == count {
                    return Ok(());
                }
                reports.is_empty() && is_undecided
            }
            _ => false,
        };
        if is_theirs || is_empty {
            self.ports.reviews.remove(&review.desk, &review.id).await?;
        } else if matches!(review.matter, Matter::Reported { .. })
            && !self.ports.reviews.update(&review).await?
        {
            // The round comes again.
            return Err(Refused::unavailable("busy", "Others change this review at the moment. Try again."));
        }
        Ok(())
    }

    /// Whether one more of this sender may be held. About: others may be held at the same time.
    pub(super) async fn has_place(&self, desk: &Desk, sender: &UserId) -> Result<bool, StoreError> {
        let is_held = |review: &Review| matches!(review.matter, Matter::Held { .. });
        let is_own = |review: &Review| review.message.sender == *sender;
        let most = (bounds::HELD_AT_A_DESK, bounds::HELD_OF_A_SENDER);
        self.are_fewer(desk, most, is_held, is_own).await
    }

    /// Whether this user may report one more message. About, likewise.
    pub(super) async fn has_place_for_report(
        &self,
        desk: &Desk,
        reporter: &UserId,
    ) -> Result<bool, StoreError> {
        let is_reported = |review: &Review| matches!(review.matter, Matter::Reported { .. });
        let is_own = |review: &Review| review.is_reported_by(reporter);
        let most = (bounds::REPORTED_AT_A_DESK, bounds::REPORTS_OF_A_USER);
        self.are_fewer(desk, most, is_reported, is_own).await
    }

    /// Whether fewer wait, of all that count and of one's own among them.
    async fn are_fewer(
        &self,
        desk: &Desk,
        (most, most_own): (usize, usize),
        counts: impl Fn(&Review) -> bool + Send,
        is_own: impl Fn(&Review) -> bool + Send,
    ) -> Result<bool, StoreError> {
        let (mut after, mut open, mut own) = (None::<(Timestamp, String)>, 0, 0);
        loop {
            let behind = after.as_ref().map(|(at, id)| (*at, id.as_str()));
            let page = self.ports.reviews.list(desk, behind, PAGE).await?;
            for review in page.iter().filter(|review| counts(review)) {
                open += 1;
                own += usize::from(is_own(review));
            }
            if open >= most || own >= most_own {
                return Ok(false);
            }
            if page.len() < PAGE {
                return Ok(true);
            }
            after = page.last().map(|review| (review.opened_at, review.id.clone()));
        }
    }

    /// A page of all of the desk, and where the next one begins. `None` behind the last.
    pub(super) async fn reviews_behind(
        &self,
        desk: &Desk,
        after: &mut Option<String>,
    ) -> Result<Option<Vec<Review>>, StoreError> {
        let page = self.ports.reviews.all(desk, after.as_deref(), PAGE).await?;
        *after = page.last().map(|review| review.id.clone());
        Ok(Some(page).filter(|page| !page.is_empty()))
    }
}
