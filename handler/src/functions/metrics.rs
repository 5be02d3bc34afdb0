use std::fmt::Write;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CONTENT_TYPE};
use serde_json::{Map, Value};

use super::Front;
use super::call::Call;
use crate::calls::{Counts, Outcome};
use crate::error::ApiError;

/// One number: its names in JSON and for Prometheus, its kind and its meaning.
struct Metric {
    json: &'static str,
    prometheus: &'static str,
    kind: &'static str,
    help: &'static str,
    value: u64,
}

/// `GET api/metrics`: Prometheus text when `Accept` names it, JSON otherwise.
pub(super) async fn handle(State(front): State<Front>, call: Call) -> Result<Response, ApiError> {
    let metrics = collect(&front).await?;
    let calls = front.services().await?.calls.now();
    let accept = call.header(&ACCEPT).unwrap_or_default().to_ascii_lowercase();
    if accept.contains("text/plain") || accept.contains("openmetrics") {
        return Ok((
            [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
            prometheus(&metrics) + &prometheus_calls(&calls),
        )
            .into_response());
    }
    let mut json: Map<String, Value> = metrics.iter().map(|m| (m.json.to_owned(), m.value.into())).collect();
    json.insert("calls".to_owned(), calls.iter().map(json_calls).collect());
    Ok(Json(json).into_response())
}

async fn collect(front: &Front) -> Result<Vec<Metric>, ApiError> {
    let services = front.services().await?;
    let counts = services.statistics.now(&services.ports).await;
    let counters = services.chat.counters();
    let gauge = |json, prometheus, help, value| Metric { json, prometheus, kind: "gauge", help, value };
    let counter = |json, prometheus, help, value| Metric { json, prometheus, kind: "counter", help, value };
    Ok(vec![
        gauge("total_rooms", "chat_rooms", "Rooms that exist.", counts.rooms as u64),
        gauge(
            "active_rooms",
            "chat_active_rooms",
            "Rooms with an open connection.",
            counts.active_rooms as u64,
        ),
        gauge("total_connections", "chat_connections", "Open connections.", counts.connections as u64),
        counter(
            "messages_sent",
            "chat_messages_sent_total",
            "Messages appended to a log.",
            counters.messages_sent.get(),
        ),
        gauge("uptime", "chat_uptime_seconds", "Seconds since the start.", front.uptime().as_secs()),
        counter("accepted", "chat_accepted_total", "Messages the queue took.", counters.accepted.get()),
        counter(
            "delivered",
            "chat_delivered_total",
            "Messages of the queue delivered.",
            counters.delivered.get(),
        ),
        counter("duplicates", "chat_duplicates_total", "Repeats that were known.", counters.duplicates.get()),
        counter("rejected", "chat_rejected_total", "Messages refused by state.", counters.rejected.get()),
        counter("dead", "chat_dead_total", "Messages parked.", counters.dead.get()),
        counter("retries", "chat_retries_total", "Attempts a dependency ended.", counters.retries.get()),
        counter(
            "conflicts",
            "chat_conflicts_total",
            "Appends another process came before.",
            counts.store.conflicts,
        ),
        counter(
            "store_requests",
            "chat_store_requests_total",
            "Requests sent to Table Storage.",
            counts.store.requests,
        ),
        counter("published", "chat_published_total", "Frames published to groups.", counters.published.get()),
        counter(
            "audit_failures",
            "chat_audit_failures_total",
            "Acts whose record or outcome could not be stored.",
            counters.audit_failures.get(),
        ),
        counter("panics", "chat_panics_total", "Panics caught while delivering.", counters.panics.get()),
    ])
}

fn prometheus(metrics: &[Metric]) -> String {
    let mut text = String::new();
    for Metric { prometheus: name, kind, help, value, .. } in metrics {
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
    }
    text
}

/// One method's calls of another machine: how many ended how, and how long all took.
fn json_calls((call, counts): &(&'static str, Counts)) -> (String, Value) {
    let mut numbers: Map<String, Value> = Outcome::ALL
        .iter()
        .map(|outcome| (outcome.name().to_owned(), counts.of(*outcome).into()))
        .filter(|(_, count)| *count != 0)
        .collect();
    numbers.insert("duration_ms".to_owned(), (counts.duration.as_secs_f64() * 1_000.0).round().into());
    ((*call).to_owned(), numbers.into())
}

fn prometheus_calls(calls: &[(&'static str, Counts)]) -> String {
    if calls.is_empty() {
        return String::new();
    }
    let mut text =
        "# HELP chat_calls_total Calls of other machines.\n# TYPE chat_calls_total counter\n".to_owned();
    for (call, counts) in calls {
        for outcome in Outcome::ALL {
            let (name, count) = (outcome.name(), counts.of(outcome));
            let _ = writeln!(text, "chat_calls_total{{call=\"{call}\",outcome=\"{name}\"}} {count}");
        }
    }
    text += "# HELP chat_call_seconds Time of these calls.\n# TYPE chat_call_seconds summary\n";
    for (call, counts) in calls {
        let count: u64 = Outcome::ALL.iter().map(|outcome| counts.of(*outcome)).sum();
        let seconds = counts.duration.as_secs_f64();
        let _ = writeln!(text, "chat_call_seconds_sum{{call=\"{call}\"}} {seconds:.6}");
        let _ = writeln!(text, "chat_call_seconds_count{{call=\"{call}\"}} {count}");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::calls::Calls;

    #[test]
    fn calls_stand_in_both_forms() {
        let calls = Calls::default();
        calls.count("log.append", Outcome::Ok, Duration::from_millis(20));
        calls.count("log.append", Outcome::TimedOut, Duration::from_millis(5));
        let json: Value = calls.now().iter().map(json_calls).collect();
        assert_eq!(
            json,
            serde_json::json!({ "log.append": { "ok": 1, "timed_out": 1, "duration_ms": 25.0 } })
        );
        let text = prometheus_calls(&calls.now());
        for line in [
            "chat_calls_total{call=\"log.append\",outcome=\"timed_out\"} 1",
            "chat_calls_total{call=\"log.append\",outcome=\"failed\"} 0",
            "chat_call_seconds_sum{call=\"log.append\"} 0.025000",
            "chat_call_seconds_count{call=\"log.append\"} 2",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}: {text}");
        }
        assert_eq!(prometheus_calls(&[]), "");
    }
}
