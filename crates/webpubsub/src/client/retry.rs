//! When a call is tried again. Pure: time, chance and answers are parameters.

use std::time::Duration;

use http::HeaderMap;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::{ClientError, ClientOptions, ErrorKind, RepeatSends};

/// The longest `Retry-After` that is believed.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// The pause before the next try; `None` where there is none. `made` tries were made, `left` of the budget is left, and
/// `chance` is from 0 to 1.
pub(super) fn pause(
    options: &ClientOptions,
    error: &ClientError,
    repeatable: bool,
    made: u32,
    left: Duration,
    chance: f64,
) -> Option<Duration> {
    if made >= options.tries || !error.kind().is_passing() {
        return None;
    }
    if !repeatable && options.repeat_sends == RepeatSends::IfNotTaken && !was_not_taken(error) {
        return None;
    }
    let doubled = options.first_pause.saturating_mul(1 << (made - 1).min(16)).min(options.longest_pause);
    let pause = match error.retry_after() {
        // All who were sent away would come back together.
        Some(asked) => asked + doubled.mul_f64(chance),
        None => doubled.mul_f64(0.5 + chance / 2.0),
    };
    (pause < left).then_some(pause)
}

/// Whether the service certainly did not carry the call out.
fn was_not_taken(error: &ClientError) -> bool {
    match error.kind() {
        ErrorKind::Throttled => true,
        ErrorKind::Unreachable => {
            let source = std::error::Error::source(error);
            source
                .and_then(|source| source.downcast_ref::<reqwest::Error>())
                .is_some_and(reqwest::Error::is_connect)
        }
        _ => false,
    }
}

/// What `Retry-After` asks for: seconds, or a date.
pub(super) fn retry_after(headers: &HeaderMap, now: u64) -> Option<Duration> {
    let text = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    let secs = match text.parse::<u64>() {
        Ok(secs) => secs,
        Err(_) => {
            let date = OffsetDateTime::parse(text, &Rfc2822).ok()?.unix_timestamp();
            u64::try_from(date).ok()?.saturating_sub(now)
        }
    };
    Some(Duration::from_secs(secs).min(LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AMPLE: Duration = Duration::from_secs(20);

    fn error(kind: ErrorKind) -> ClientError {
        ClientError::new("test", kind, "")
    }

    fn after(kind: ErrorKind, made: u32, chance: f64) -> Option<u128> {
        let pause = pause(&ClientOptions::default(), &error(kind), true, made, AMPLE, chance);
        pause.map(|pause| pause.as_millis())
    }

    #[test]
    fn pauses_double_and_have_jitter() {
        for kind in
            [ErrorKind::Throttled, ErrorKind::ServerTrouble, ErrorKind::Unreachable, ErrorKind::TimedOut]
        {
            assert_eq!([after(kind, 1, 0.0), after(kind, 1, 1.0)], [Some(50), Some(100)]);
            assert_eq!([after(kind, 3, 0.0), after(kind, 3, 1.0)], [Some(200), Some(400)]);
            assert_eq!(after(kind, 4, 0.0), None, "four tries");
        }
        let patient = ClientOptions { tries: 100, ..ClientOptions::default() };
        let longest = pause(&patient, &error(ErrorKind::TimedOut), true, 99, AMPLE, 1.0);
        assert_eq!(longest, Some(patient.longest_pause));
    }

    #[test]
    fn what_would_fail_again_is_not_repeated() {
        use ErrorKind::{
            BadAnswer, Conflict, Forbidden, Invalid, NoToken, NotFound, Refused, TooLarge, Unauthorized,
        };
        for kind in
            [BadAnswer, Conflict, Forbidden, Invalid, NoToken, NotFound, Refused, TooLarge, Unauthorized]
        {
            assert_eq!(after(kind, 1, 0.0), None, "{kind:?}");
        }
    }

    #[test]
    fn the_service_is_obeyed_within_the_budget() {
        let options = ClientOptions::default();
        let asked = |secs| error(ErrorKind::Throttled).with_retry_after(Some(Duration::from_secs(secs)));
        let wait = pause(&options, &asked(7), true, 1, AMPLE, 0.5);
        assert_eq!(wait, Some(Duration::from_millis(7_050)));
        assert_eq!(pause(&options, &asked(20), true, 1, AMPLE, 0.0), None, "there is no time left after it");
    }

    #[test]
    fn a_send_that_may_have_arrived_is_repeated_only_on_request() {
        let asked = |kind, repeat_sends| {
            let options = ClientOptions { repeat_sends, ..ClientOptions::default() };
            pause(&options, &error(kind), false, 1, AMPLE, 0.0).is_some()
        };
        assert!(asked(ErrorKind::Throttled, RepeatSends::IfNotTaken));
        for kind in [ErrorKind::ServerTrouble, ErrorKind::TimedOut, ErrorKind::Unreachable] {
            assert!(!asked(kind, RepeatSends::IfNotTaken), "{kind:?}");
            assert!(asked(kind, RepeatSends::Always), "{kind:?}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(http::header::RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers, 784_111_770).map(|wait| wait.as_secs())
        };
        assert_eq!(read(" 12 "), Some(12));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), Some(7));
        assert_eq!(read("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0));
        assert_eq!(read("99999999999"), Some(3600));
        assert_eq!(read("soon"), None);
        assert_eq!(read("-1"), None);
        assert_eq!(retry_after(&HeaderMap::new(), 0), None);
    }
}
