//! Service Bus triggers. An invocation waits for failing dependencies up to its budget, because the host redelivers a
//! failed one after 5 ms and has used up ten deliveries in 70; and it always answers JSON, because an empty answer
//! hangs it.

use std::time::Duration;

use axum::Json;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::envelope::Invocation;
use super::invocations::{Ended, Function};
#[cfg(feature = "testing")]
use super::test_controls;
use super::{Front, fields};
use crate::calls::Tally;
use crate::chat::{Fate, Patience};
use crate::ports::Entity;

/// A batch of the largest messages in base64, with their metadata. It comes from the host, so this is no defence
/// against outsiders, only against growing without end.
const INVOCATION_BYTES: usize = 128 * 1024 * 1024;
/// No failure is answered sooner.
pub(super) const SHORTEST_FAILURE: Duration = Duration::from_secs(1);
/// The same for dead letters.
const SHORTEST_BURIAL: Duration = Duration::from_secs(5);
/// Kept for what is under way when patience ends; an invocation that reaches the host's limit costs the process.
pub(super) const RESERVE: Duration = Duration::from_secs(30);

/// Which messages a function is called with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trigger {
    Messages(Entity),
    /// Those that the entity's queue gave up.
    DeadLetters(Entity),
}

impl Trigger {
    const fn function(self) -> &'static str {
        match self {
            Self::Messages(Entity::Queue) => "processQueue",
            Self::Messages(Entity::Topic) => "processTopic",
            Self::DeadLetters(Entity::Queue) => "deadLetters",
            Self::DeadLetters(Entity::Topic) => "deadLettersTopic",
        }
    }

    const fn entity(self) -> Entity {
        match self {
            Self::Messages(entity) | Self::DeadLetters(entity) => entity,
        }
    }

    /// No failure is answered sooner. A dead letter is delivered again for ever.
    const fn shortest_failure(self) -> Duration {
        match self {
            Self::Messages(_) => SHORTEST_FAILURE,
            Self::DeadLetters(_) => SHORTEST_BURIAL,
        }
    }
}

/// What became of an invocation's messages: for the line about it, and for the host.
struct Done {
    summary: String,
    lines: Vec<String>,
}

/// Runs the function and answers the host: 200 when every message is where it belongs, 500 for a redelivery.
pub(super) async fn run(front: &Front, trigger: Trigger, request: Request) -> Response {
    let earliest = Instant::now() + trigger.shortest_failure();
    let (front, tally) = (front.clone(), Tally::current().unwrap_or_default());
    // A task of its own, so that a panic is an answer too.
    let work = async move { tally.count(work(&front, trigger, request)).await };
    let outcome = tokio::spawn(work).await;
    let failure = match outcome {
        Ok(Ok(done)) => return told(trigger, done.summary, answer(&json!({}), &done.lines)),
        Ok(Err(failure)) => failure,
        Err(_) => "the delivery panicked".to_owned(),
    };
    let function = trigger.function();
    tracing::error!(function, "invocation failed, the host will deliver again: {failure}");
    sleep_until(earliest).await;
    let answer = Json(json!({ "code": "not_delivered", "message": failure }));
    told(trigger, "not delivered".to_owned(), (StatusCode::INTERNAL_SERVER_ERROR, answer).into_response())
}

fn told(trigger: Trigger, outcome: String, mut response: Response) -> Response {
    response.extensions_mut().insert(Function(trigger.function().into()));
    response.extensions_mut().insert(Ended(outcome));
    response
}

async fn work(front: &Front, trigger: Trigger, request: Request) -> Result<Done, String> {
    let (parts, body) = request.into_parts();
    let deadline =
        Instant::now() + front.function_timeout().await.saturating_sub(RESERVE).max(SHORTEST_FAILURE);
    let bytes = fields::read(body, &parts.headers, INVOCATION_BYTES).await;
    let bytes = bytes.map_err(|error| format!("the invocation cannot be read: {}", error.status()))?;
    let messages = Invocation::parse(&bytes).and_then(|invocation| invocation.messages(trigger.entity()));
    let messages = messages.map_err(|error| error.to_string())?;
    #[cfg(feature = "testing")]
    if matches!(trigger, Trigger::Messages(_)) {
        test_controls::before_delivery(&front.config, &messages);
    }
    let left = || deadline.saturating_duration_since(Instant::now());
    let services = front.services_within(left()).await.map_err(|_| "the stores are not open".to_owned())?;
    let patience = Patience::Until(left().max(SHORTEST_FAILURE));
    if let Trigger::DeadLetters(_) = trigger {
        services.chat.bury(&messages, patience).await.map_err(|error| error.to_string())?;
        return Ok(Done { summary: format!("stored={}", messages.len()), lines: Vec::new() });
    }
    let fates = services.chat.deliver(&messages, patience).await.map_err(|error| error.to_string())?;
    Ok(Done { summary: Fate::summary(&fates), lines: fates.iter().map(line).collect() })
}

fn line(fate: &Fate) -> String {
    match fate {
        Fate::Delivered { seq, duplicate: false, .. } => format!("delivered as {seq}"),
        Fate::Delivered { seq, duplicate: true, .. } => format!("was there already as {seq}"),
        Fate::Held => "held for review".to_owned(),
        Fate::Rejected { code } => format!("rejected: {code}"),
        Fate::Dead { code } => format!("parked: {code}"),
        Fate::Waiting => "waiting".to_owned(),
    }
}

/// The answer to an invocation in the JSON envelope.
pub(super) fn answer(outputs: &Value, logs: &[String]) -> Response {
    Json(json!({ "Outputs": outputs, "Logs": logs, "ReturnValue": null })).into_response()
}
