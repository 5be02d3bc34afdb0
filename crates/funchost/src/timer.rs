//! Timer triggers: NCRONTAB with six fields, in UTC.

use std::sync::Arc;
use std::time::Duration;

use time::{OffsetDateTime, Time};

use crate::config::{Function, TimerTrigger};
use crate::envelope;
use crate::invoke::Invoker;
use crate::world;

/// `{second} {minute} {hour} {day} {month} {day of week}`; each field `*`, a number, a range, a list, with `/step`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    seconds: u64,
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    week_days: u64,
}

const FIELDS: [(&str, u8, u8); 6] = [
    ("second", 0, 59),
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day", 1, 31),
    ("month", 1, 12),
    ("day of week", 0, 7),
];

impl Schedule {
    /// # Errors
    /// One sentence when the text has other than six fields, or a field is out of range. Names (`mon`, `jan`) and time
    /// spans are not read.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        if fields.len() != FIELDS.len() {
            return Err(format!("the schedule \"{text}\" does not have six fields"));
        }
        let mut bits = [0_u64; 6];
        for ((bits, field), (name, low, high)) in bits.iter_mut().zip(&fields).zip(FIELDS) {
            *bits = parse_field(field, low, high)
                .ok_or_else(|| format!("the schedule \"{text}\" has no valid {name}: \"{field}\""))?;
        }
        let [seconds, minutes, hours, days, months, mut week_days] = bits;
        // Sunday is 0 and 7.
        week_days |= (week_days >> 7) & 1;
        Ok(Self { seconds, minutes, hours, days, months, week_days })
    }

    /// The first moment after `now`; `None` when there is none within eight years (a 30th of February).
    #[must_use]
    pub(crate) fn next_after(&self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        let mut at = now.replace_nanosecond(0).ok()?.checked_add(time::Duration::SECOND)?;
        for _ in 0..366 * 8 {
            if self.has_day(at)
                && let Some(found) = self.next_in_day(at)
            {
                return Some(found);
            }
            at = at.replace_time(Time::MIDNIGHT).checked_add(time::Duration::DAY)?;
        }
        None
    }

    fn has_day(&self, at: OffsetDateTime) -> bool {
        has(self.days, at.day())
            && has(self.months, at.month().into())
            && has(self.week_days, at.weekday().number_days_from_sunday())
    }

    fn next_in_day(&self, from: OffsetDateTime) -> Option<OffsetDateTime> {
        let (hour, minute, second) = (from.hour(), from.minute(), from.second());
        let first = |bits: u64, low: u8, high: u8| (low..=high).find(|&value| has(bits, value));
        for h in hour..24 {
            if !has(self.hours, h) {
                continue;
            }
            let low_minute = if h == hour { minute } else { 0 };
            for m in low_minute..60 {
                let low_second = if h == hour && m == minute { second } else { 0 };
                if !has(self.minutes, m) {
                    continue;
                }
                if let Some(s) = first(self.seconds, low_second, 59) {
                    return Some(from.replace_time(Time::from_hms(h, m, s).ok()?));
                }
            }
        }
        None
    }
}

fn has(bits: u64, value: u8) -> bool {
    (bits >> value) & 1 == 1
}

fn parse_field(text: &str, low: u8, high: u8) -> Option<u64> {
    let mut bits = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse::<u8>().ok().filter(|&step| step > 0)?),
            None => (part, 1),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (low, high),
            Some((from, to)) => (from.parse().ok()?, to.parse().ok()?),
            None if part.contains('/') => (range.parse().ok()?, high),
            None => (range.parse().ok()?, range.parse().ok()?),
        };
        if from < low || to > high || from > to {
            return None;
        }
        bits |= (from..=to).step_by(step.into()).fold(0, |bits, value| bits | 1 << value);
    }
    Some(bits)
}

/// Calls the function at each moment of its schedule, one call at a time, for ever.
pub(crate) async fn run(function: Arc<Function>, trigger: TimerTrigger, invoker: Arc<Invoker>) {
    let mut due_now = trigger.run_on_startup;
    loop {
        if !due_now {
            let Some(next) = trigger.schedule.next_after(world::now()) else { return };
            let wait = Duration::try_from(next - world::now()).unwrap_or_default();
            tokio::time::sleep(wait).await;
        }
        due_now = false;
        let body = envelope::timer(&function.name, &trigger.binding, world::now(), &world::guid());
        // The outcome is counted; a timer has nothing to settle.
        drop(invoker.call(&function, body).await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    fn next(schedule: &str, now: OffsetDateTime) -> OffsetDateTime {
        Schedule::parse(schedule).unwrap().next_after(now).unwrap()
    }

    #[test]
    fn finds_the_next_moment() {
        let now = datetime!(2026-11-21 08:17:42.5 UTC);
        assert_eq!(next("*/10 * * * * *", now), datetime!(2026-11-21 08:17:50 UTC));
        assert_eq!(next("0 */5 * * * *", now), datetime!(2026-11-21 08:20:00 UTC));
        assert_eq!(next("0 15,45 * * * *", now), datetime!(2026-11-21 08:45:00 UTC));
        assert_eq!(next("0 0 3 * * *", now), datetime!(2026-11-22 03:00:00 UTC));
        assert_eq!(next("0 30 9-17 * * 1-5", now), datetime!(2026-11-23 09:30:00 UTC));
        assert_eq!(next("0 0 0 1 1 *", now), datetime!(2027-01-01 00:00:00 UTC));
        assert_eq!(next("0 0 0 * * 7", now), datetime!(2026-11-22 00:00:00 UTC));
        assert_eq!(
            next("59 59 23 * * *", datetime!(2026-11-21 23:59:59 UTC)),
            datetime!(2026-11-22 23:59:59 UTC)
        );
    }

    #[test]
    fn a_day_that_never_comes_is_none() {
        assert_eq!(
            Schedule::parse("0 0 0 30 2 *").unwrap().next_after(datetime!(2026-01-01 00:00 UTC)),
            None
        );
    }

    #[test]
    fn refuses_what_is_no_schedule() {
        for text in
            ["", "* * * * *", "60 * * * * *", "*/0 * * * * *", "5-1 * * * * *", "a * * * * *", "* * * 0 * *"]
        {
            assert!(Schedule::parse(text).is_err(), "{text}");
        }
    }
}
