//! How much somebody may do in a time, and what the processes of a deployment tell each other of it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// A token bucket: it holds `burst` tokens, each act takes one, and `per_second` come back. Written `per second/burst`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    pub per_second: u32,
    pub burst: u32,
}

impl RateLimit {
    /// The largest number of either sort.
    pub const MAX: u32 = 1_000_000;

    /// Reads `10/20`: whole numbers from 1 to [`Self::MAX`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| {
            let text = text.trim();
            let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|number| is_plain && (1..=Self::MAX).contains(number))
        };
        let (per_second, burst) = text.split_once('/')?;
        Some(Self { per_second: number(per_second)?, burst: number(burst)? })
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.per_second, self.burst)
    }
}

/// The limits of a deployment; `None` is off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimits {
    pub user: Option<RateLimit>,
    pub room: Option<RateLimit>,
    /// Of a client's address, and of each live connection.
    pub address: Option<RateLimit>,
}

impl RateLimits {
    /// What holds where nothing is set, and callers are known or come from anywhere.
    pub const DEFAULT: Self = Self {
        user: Some(RateLimit { per_second: 10, burst: 20 }),
        room: Some(RateLimit { per_second: 100, burst: 200 }),
        address: Some(RateLimit { per_second: 50, burst: 100 }),
    };
}

/// What one process has let through of late, of the keys that come near their limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageReport {
    /// The process, by a name of its own.
    pub instance: String,
    /// When it was told.
    pub at: Timestamp,
    pub counts: Vec<UsageCount>,
}

/// Of one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageCount {
    /// Whose bucket, hashed; the same in every process.
    #[serde(rename = "k")]
    pub key: String,
    /// Which count of this process: a key that rested begins another.
    #[serde(rename = "e")]
    pub epoch: u64,
    /// Tokens taken since this count began. Only grows.
    #[serde(rename = "n")]
    pub total: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_two_whole_numbers() {
        assert_eq!(RateLimit::parse("10/20"), Some(RateLimit { per_second: 10, burst: 20 }));
        assert_eq!(RateLimit::parse(" 1 / 1000000 ").unwrap().to_string(), "1/1000000");
        for bad in [
            "",
            "10",
            "/",
            "10/",
            "/20",
            "0/20",
            "10/0",
            "-1/2",
            "+1/2",
            "1.5/3",
            "1000001/1",
            "1/2/3",
            "a/b",
        ] {
            assert_eq!(RateLimit::parse(bad), None, "{bad}");
        }
    }
}
