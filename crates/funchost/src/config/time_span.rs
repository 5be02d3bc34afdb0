//! .NET's `TimeSpan` in its JSON form, `[d.]hh:mm:ss[.fff]`.

use std::time::Duration;

/// Reads a time span; `None` when the text is none. A day has 24 hours, minutes and seconds stay below 60.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let (days, clock) = match text.split_once('.') {
        Some((days, rest)) if rest.contains(':') => (days.parse::<u64>().ok()?, rest),
        _ => (0, text),
    };
    let mut parts = clock.split(':');
    let hours: u64 = parts.next()?.parse().ok()?;
    let minutes: u64 = parts.next()?.parse().ok()?;
    let seconds: f64 = parts.next()?.parse().ok()?;
    let in_range = hours < 24 && minutes < 60 && (0.0..60.0).contains(&seconds);
    if !in_range || parts.next().is_some() {
        return None;
    }
    let whole = days.checked_mul(86_400)?.checked_add(hours * 3_600 + minutes * 60)?;
    Some(Duration::from_secs(whole) + Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_host_json_holds() {
        assert_eq!(parse("00:00:20"), Some(Duration::from_secs(20)));
        assert_eq!(parse("1.00:00:00"), Some(Duration::from_secs(86_400)));
        assert_eq!(parse("00:00:00.250"), Some(Duration::from_millis(250)));
        for wrong in ["", "20", "00:20", "24:00:00", "00:60:00", "00:00:61", "x", "00:00:00:00", "-00:00:01"]
        {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
