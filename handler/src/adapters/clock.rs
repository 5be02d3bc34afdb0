//! The real clock and real chance: the one place that reads them.

use std::time::{Duration, SystemTime};

use crate::model::{MessageId, RoomId, Timestamp};
use crate::ports::{Clock, Ids};

/// The machine's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is what the `Clock` port is implemented by")]
    fn now(&self) -> Timestamp {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Timestamp::from_millis(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX))
    }
}

/// Ids of 128 bits from the operating system's generator, as 32 hex digits.
#[derive(Clone, Copy, Debug, Default)]
pub struct RandomIds;

impl Ids for RandomIds {
    #[expect(clippy::expect_used, reason = "32 hex digits are a message id")]
    fn message_id(&self) -> MessageId {
        MessageId::new(&self.token()).expect("32 hex digits are a message id")
    }

    #[expect(clippy::expect_used, reason = "32 hex digits are a room id")]
    fn room_id(&self) -> RoomId {
        RoomId::new(&self.token()).expect("32 hex digits are a room id")
    }

    #[expect(
        clippy::expect_used,
        reason = "no id can be made without chance, and a guessable one is worse than none"
    )]
    fn token(&self) -> String {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the operating system has a source of random bytes");
        hex::encode(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_of_this_century() {
        assert!(SystemClock.now() > Timestamp::parse("2026-01-01T00:00:00Z").unwrap());
    }

    #[test]
    fn ids_differ_and_are_plain() {
        let tokens: std::collections::HashSet<String> = (0..1_000).map(|_| RandomIds.token()).collect();
        assert_eq!(tokens.len(), 1_000);
        assert!(tokens.iter().all(|token| token.len() == 32 && token.bytes().all(|b| b.is_ascii_hexdigit())));
        assert_ne!(RandomIds.message_id(), RandomIds.message_id());
        assert_ne!(RandomIds.room_id(), RandomIds.room_id());
    }
}
