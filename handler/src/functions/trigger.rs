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
pub(super) const SLOWEST_FAILURE: Duration = Duration::from_secs(1);
/// Kept for what is under way when patience ends; an invocation that reaches the host's limit costs the process.
pub(super) const RESERVE: Duration = Duration::from_secs(30);

/// Runs the function and answers the host: 200 when every message is where it belongs, 500 for a redelivery.
pub(super) async fn run(front: &Front, entity: Entity, request: Request) -> Response {
    let earliest = Instant::now() + SLOWEST_FAILURE;
    let (front, tally) = (front.clone(), Tally::current().unwrap_or_default());
    // A task of its own, so that a panic is an answer too.
    let work = async move { tally.count(deliver(&front, entity, request)).await };
    let outcome = tokio::spawn(work).await;
    let failure = match outcome {
        Ok(Ok(fates)) => {
            let lines = fates.iter().map(line).collect::<Vec<_>>();
            return told(entity, Fate::summary(&fates), answer(&json!({}), &lines));
        }
        Ok(Err(failure)) => failure,
        Err(_) => "the delivery panicked".to_owned(),
    };
    tracing::error!(?entity, "invocation failed, the host will deliver again: {failure}");
    sleep_until(earliest).await;
    let answer = Json(json!({ "code": "not_delivered", "message": failure }));
    told(entity, "not delivered".to_owned(), (StatusCode::INTERNAL_SERVER_ERROR, answer).into_response())
}

fn told(entity: Entity, outcome: String, mut response: Response) -> Response {
    let function = match entity {
        Entity::Queue => "processQueue",
        Entity::Topic => "processTopic",
    };
    response.extensions_mut().insert(Function(function.into()));
    response.extensions_mut().insert(Ended(outcome));
    response
}

async fn deliver(front: &Front, entity: Entity, request: Request) -> Result<Vec<Fate>, String> {
    let (parts, body) = request.into_parts();
    let deadline =
        Instant::now() + front.function_timeout().await.saturating_sub(RESERVE).max(SLOWEST_FAILURE);
    let bytes = fields::read(body, &parts.headers, INVOCATION_BYTES).await;
    let bytes = bytes.map_err(|error| format!("the invocation cannot be read: {}", error.status()))?;
    let messages = Invocation::parse(&bytes).and_then(|invocation| invocation.messages(entity));
    let messages = messages.map_err(|error| error.to_string())?;
    #[cfg(feature = "testing")]
    test_controls::before_delivery(&front.config, &messages);
    let left = || deadline.saturating_duration_since(Instant::now());
    let services = front.services_within(left()).await.map_err(|_| "the stores are not open".to_owned())?;
    let patience = Patience::Until(left().max(SLOWEST_FAILURE));
    services.chat.deliver(&messages, patience).await.map_err(|error| error.to_string())
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
