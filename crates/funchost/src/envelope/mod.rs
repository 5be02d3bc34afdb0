//! The JSON envelope of an invocation: `{"Data": {…}, "Metadata": {…}}`, byte for byte as the host writes it.
//!
//! Everything but objects, bytes and dates is encoded twice: a text `x` arrives as the JSON string `"\"x\""`.

mod metadata;
mod object;
mod promote;

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

pub(crate) use metadata::{Call, batch, single};
pub(crate) use object::{Node, Object};
pub(crate) use promote::promote;

const SECONDS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
const FRACTION: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:7]");

/// A date cut to seconds, without a zone.
fn seconds(at: OffsetDateTime) -> String {
    at.format(SECONDS).unwrap_or_default()
}

/// A date with as many digits of its second as it has, without a zone.
fn fraction(at: OffsetDateTime) -> String {
    let text = at.format(FRACTION).unwrap_or_default();
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `sys`: which function, when, and a GUID.
pub(crate) fn sys(function: &str, now: OffsetDateTime, guid: &str) -> Node {
    let mut sys = Object::default();
    sys.set("MethodName", Node::text(function));
    sys.set("UtcNow", Node::text(&format!("{}Z", fraction(now))));
    sys.set("RandGuid", Node::text(guid));
    sys.into()
}

/// The whole envelope.
pub(crate) fn envelope(binding: &str, data: Node, metadata: Object) -> String {
    let mut inputs = Object::default();
    inputs.set(binding, data);
    let mut envelope = Object::default();
    envelope.set("Data", inputs.into());
    envelope.set("Metadata", metadata.into());
    envelope.to_json()
}

/// A timer's envelope. The schedule's status is null: the double keeps no record of earlier runs.
pub(crate) fn timer(function: &str, binding: &str, now: OffsetDateTime, guid: &str) -> String {
    let mut schedule = Object::default();
    schedule.set("AdjustForDST", true.into());
    let mut timer = Object::default();
    timer.set("Schedule", schedule.into());
    timer.set("ScheduleStatus", Node::null());
    timer.set("IsPastDue", false.into());
    let mut metadata = Object::default();
    metadata.set("sys", sys(function, now, guid));
    envelope(binding, timer.into(), metadata)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn dates_lose_the_zeroes_at_their_end() {
        assert_eq!(fraction(datetime!(2026-11-21 08:06:31.480 UTC)), "2026-11-21T08:06:31.48");
        assert_eq!(fraction(datetime!(2026-11-21 08:06:30 UTC)), "2026-11-21T08:06:30");
        assert_eq!(seconds(datetime!(2026-11-21 08:06:31.999 UTC)), "2026-11-21T08:06:31");
    }

    #[test]
    fn a_timer_is_an_object_and_has_no_metadata_but_sys() {
        let json = timer("tick", "timer", datetime!(2026-11-21 08:17:50 UTC), "g");
        assert_eq!(
            json,
            r#"{"Data":{"timer":{"Schedule":{"AdjustForDST":true},"ScheduleStatus":null,"IsPastDue":false}},"Metadata":{"sys":{"MethodName":"tick","UtcNow":"2026-11-21T08:17:50Z","RandGuid":"g"}}}"#
        );
    }
}
