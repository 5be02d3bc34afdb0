use std::fmt::Write;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CONTENT_TYPE};
use serde_json::{Map, Value};

use super::Front;
use super::call::Call;
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
    let accept = call.header(&ACCEPT).unwrap_or_default().to_ascii_lowercase();
    if accept.contains("text/plain") || accept.contains("openmetrics") {
        return Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], prometheus(&metrics))
            .into_response());
    }
    let json: Map<String, Value> = metrics.iter().map(|m| (m.json.to_owned(), m.value.into())).collect();
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
            counts.conflicts,
        ),
        counter("published", "chat_published_total", "Frames published to groups.", counters.published.get()),
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
