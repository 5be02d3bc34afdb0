//! The timer trigger (`retention/`): has the chores done that are due. The host calls one instance at a time, and calls
//! again whatever the answer is.

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

use super::Front;
use super::invocations::{Ended, Function};
use super::trigger::{RESERVE, SHORTEST_FAILURE, answer};
use crate::chat::{Round, RoundOutcome};

/// Less than the time between two calls, so that none is missed.
const BUDGET: Duration = Duration::from_secs(15);

/// Runs the function and answers the host: 200 with a line for each chore, whatever became of it; 500 where the stores are
/// not open.
pub(super) async fn run(front: &Front) -> Response {
    let budget = front.function_timeout().await.saturating_sub(RESERVE).clamp(SHORTEST_FAILURE, BUDGET);
    let (outcome, mut response) = match front.services_within(budget).await {
        Ok(services) => {
            let rounds = services.chat.do_chores(budget).await;
            let lines: Vec<_> = rounds.iter().map(Round::line).collect();
            (summary(&rounds), answer(&json!({}), &lines))
        }
        Err(_) => {
            let answer = json!({ "code": "not_ready", "message": "The stores are not open." });
            ("not ready".to_owned(), (StatusCode::INTERNAL_SERVER_ERROR, Json(answer)).into_response())
        }
    };
    response.extensions_mut().insert(Function("retention".into()));
    response.extensions_mut().insert(Ended(outcome));
    response
}

fn summary(rounds: &[Round]) -> String {
    let done = rounds.iter().filter(|round| matches!(round.outcome, RoundOutcome::Done(_))).count();
    let failed = rounds.len() - done;
    if failed == 0 { format!("chores={done}") } else { format!("chores={done} failed={failed}") }
}
