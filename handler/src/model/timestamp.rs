use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::bounds::DAY_MILLIS;

/// A moment, in milliseconds since 1970 (UTC). Its text has a fixed width and sorts as the moments do:
/// `2026-11-21T09:37:09.123Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

/// 9999-12-31T23:59:59.999Z, the last moment whose text has the fixed width.
const LAST: u64 = 253_402_300_799_999;

impl Timestamp {
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(if millis > LAST { LAST } else { millis })
    }

    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// So many days earlier; 1970 where that would be before it.
    #[must_use]
    pub const fn days_before(self, days: u64) -> Self {
        Self(self.0.saturating_sub(days.saturating_mul(DAY_MILLIS)))
    }

    /// Reads RFC 3339; a text without zone is UTC. Moments before 1970 or after 9999 are refused.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let moment = OffsetDateTime::parse(text, &Rfc3339)
            .or_else(|_| OffsetDateTime::parse(&format!("{text}Z"), &Rfc3339))
            .ok()?;
        let millis = u64::try_from(moment.unix_timestamp_nanos() / 1_000_000).ok()?;
        (millis <= LAST).then_some(Self(millis))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.0 / 1000).unwrap_or_default();
        let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            at.year(),
            u8::from(at.month()),
            at.day(),
            at.hour(),
            at.minute(),
            at.second(),
            self.0 % 1000
        )
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("not an RFC 3339 time"))
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn text_has_fixed_width_and_reads_back() {
        for millis in [0, 1, 999, 1_000, 1_790_000_000_123, super::LAST] {
            let text = Timestamp::from_millis(millis).to_string();
            assert_eq!(text.len(), 24, "{text}");
            assert_eq!(Timestamp::parse(&text), Some(Timestamp::from_millis(millis)));
        }
    }

    #[test]
    fn days_before_are_whole_days_and_end_at_the_beginning() {
        let at = |text| Timestamp::parse(text).unwrap();
        assert_eq!(at("2026-03-01T10:00:00.123Z").days_before(1), at("2026-02-28T10:00:00.123Z"));
        assert_eq!(at("2026-03-01T10:00:00Z").days_before(0), at("2026-03-01T10:00:00Z"));
        assert_eq!(at("1970-01-02T00:00:00Z").days_before(2), Timestamp::default());
        assert_eq!(at("2026-03-01T10:00:00Z").days_before(u64::MAX), Timestamp::default());
    }

    #[test]
    fn zones_are_honoured_and_no_zone_is_utc() {
        let utc = Timestamp::parse("2026-11-21T10:00:00Z");
        assert!(utc.is_some());
        assert_eq!(Timestamp::parse("2026-11-21T12:00:00+02:00"), utc);
        assert_eq!(Timestamp::parse("2026-11-21T10:00:00"), utc);
        assert_eq!(Timestamp::parse("yesterday"), None);
        assert_eq!(Timestamp::parse("1969-12-31T23:59:59Z"), None);
    }
}
