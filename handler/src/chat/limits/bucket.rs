//! One bucket, as two points in time. No clock in here: `now` is nanoseconds since the process began, and never goes back.

use crate::model::RateLimit;

const SECOND: u64 = 1_000_000_000;
/// What of a limit one process may use without telling the others: this share of the rate, and of the burst.
const UNTOLD_RATE_SHARE: u64 = 16;
const UNTOLD_BURST_SHARE: u64 = 4;

/// A limit in the units of its buckets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    /// Nanoseconds in which one token comes back.
    interval: u64,
    /// Nanoseconds in which an empty bucket is full.
    depth: u64,
}

/// What somebody has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bucket {
    /// When the bucket is full again, or will be. Further ahead than the limit's depth where others have used it too.
    full_at: u64,
    /// When the use that the others were not told of is too old to matter.
    cool_at: u64,
    /// What the others are told, while it is near its limit.
    pub(super) told: Option<Told>,
}

/// A count that only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) epoch: u64,
    pub(super) total: u64,
}

impl Rule {
    pub(super) fn new(limit: RateLimit) -> Self {
        let interval = SECOND / u64::from(limit.per_second);
        Self { interval, depth: interval * u64::from(limit.burst) }
    }

    /// Tokens that a process can have let through in so many nanoseconds, and at most.
    pub(super) fn most_in(&self, nanos: u64) -> u64 {
        (self.depth.saturating_add(nanos) / self.interval).saturating_add(1)
    }

    fn cool_depth(&self) -> u64 {
        self.depth.saturating_mul(UNTOLD_RATE_SHARE) / UNTOLD_BURST_SHARE
    }
}

impl Bucket {
    /// Takes a token; else the nanoseconds until there is one.
    pub(super) fn take(&mut self, rule: &Rule, now: u64) -> Result<(), u64> {
        let full_at = self.full_at.max(now).saturating_add(rule.interval);
        let wait = full_at.saturating_sub(now + rule.depth);
        if wait > 0 {
            return Err(wait);
        }
        self.full_at = full_at;
        // Bounded, so that whoever used a lot is told of for a while and not for hours.
        let cool_at = self.cool_at.max(now) + rule.interval * UNTOLD_RATE_SHARE;
        self.cool_at = cool_at.min(now + 2 * rule.cool_depth() + rule.interval * UNTOLD_RATE_SHARE);
        if let Some(told) = &mut self.told {
            told.total += 1;
        } else if self.cool_at > now + rule.cool_depth() {
            let untold = (self.cool_at - now).div_ceil(rule.interval * UNTOLD_RATE_SHARE);
            self.told = Some(Told { epoch: now, total: untold });
        }
        Ok(())
    }

    /// Puts a token back that was taken for nothing.
    pub(super) fn give_back(&mut self, rule: &Rule) {
        self.full_at = self.full_at.saturating_sub(rule.interval);
    }

    /// Others have used so many.
    pub(super) fn drain(&mut self, rule: &Rule, now: u64, tokens: u64) {
        self.full_at = self.full_at.max(now).saturating_add(rule.interval.saturating_mul(tokens));
    }

    /// Whether it says no more than a new one.
    pub(super) fn is_idle(&self, now: u64) -> bool {
        self.full_at <= now && self.cool_at <= now
    }

    /// Whether less than half of its tokens are used, and nobody is told of it.
    pub(super) fn is_hardly_used(&self, rule: &Rule, now: u64) -> bool {
        self.told.is_none() && self.full_at.saturating_sub(now) < rule.depth / 2
    }

    /// Ends what is told of it, if it has rested. Answers whether it is still told of.
    pub(super) fn cool(&mut self, now: u64) -> bool {
        if self.cool_at <= now {
            self.told = None;
        }
        self.told.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: RateLimit = RateLimit { per_second: 10, burst: 20 };

    fn taken(bucket: &mut Bucket, rule: &Rule, now: u64) -> usize {
        (0..1_000).take_while(|_| bucket.take(rule, now).is_ok()).count()
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let (rule, mut bucket) = (Rule::new(RULE), Bucket::default());
        assert_eq!(taken(&mut bucket, &rule, 0), 20);
        assert_eq!(bucket.take(&rule, 0), Err(SECOND / 10), "until the next token");
        assert_eq!(bucket.take(&rule, SECOND / 10 - 1), Err(1));
        assert_eq!(taken(&mut bucket, &rule, SECOND / 10), 1);
        assert_eq!(taken(&mut bucket, &rule, SECOND), 9);
        assert_eq!(taken(&mut bucket, &rule, 100 * SECOND), 20, "and never more than the burst");
    }

    #[test]
    fn over_any_time_no_more_than_burst_and_rate() {
        for (per_second, burst) in [(1, 1), (3, 7), (10, 20), (999, 1), (1_000_000, 1_000_000)] {
            let limit = RateLimit { per_second, burst };
            let (rule, mut bucket, mut let_through, mut now) = (Rule::new(limit), Bucket::default(), 0, 0);
            for step in 0..2_000_u64 {
                now += (step * 7_919) % (3 * rule.interval);
                let_through += u64::from(bucket.take(&rule, now).is_ok());
                assert!(let_through <= rule.most_in(now), "{limit}: {let_through} at {now}");
            }
        }
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let (rule, mut bucket) = (Rule::new(RULE), Bucket::default());
        taken(&mut bucket, &rule, 5);
        bucket.give_back(&rule);
        assert_eq!(taken(&mut bucket, &rule, 5), 1);
    }

    #[test]
    fn what_others_used_is_missing_and_comes_back_at_the_rate() {
        let (rule, mut bucket) = (Rule::new(RULE), Bucket::default());
        bucket.drain(&rule, 0, 15);
        assert_eq!(taken(&mut bucket, &rule, 0), 5);
        bucket.drain(&rule, 0, 30);
        assert_eq!(bucket.take(&rule, 3 * SECOND), Err(SECOND / 10), "they had more than there was");
        assert_eq!(taken(&mut bucket, &rule, 4 * SECOND), 10);
        bucket.drain(&rule, 4 * SECOND, u64::MAX);
        assert!(bucket.take(&rule, 5 * SECOND).is_err());
    }

    #[test]
    fn little_use_is_not_told_and_much_is_from_its_beginning() {
        let (rule, mut bucket) = (Rule::new(RULE), Bucket::default());
        for n in 0..100 {
            bucket.take(&rule, n * 2 * SECOND).unwrap();
        }
        assert_eq!(bucket.told, None, "a message every other second");
        let start = 1_000 * SECOND;
        for _ in 0..5 {
            bucket.take(&rule, start).unwrap();
        }
        assert_eq!(bucket.told, None, "a quarter of the burst");
        bucket.take(&rule, start).unwrap();
        assert_eq!(bucket.told, Some(Told { epoch: start, total: 6 }), "all of it");
        taken(&mut bucket, &rule, start);
        assert_eq!(bucket.told.unwrap().total, 20);
        assert!(bucket.cool(start + SECOND));
        assert!(!bucket.cool(start + 60 * SECOND) && bucket.is_idle(start + 60 * SECOND));
    }
}
