//! What a test may ask of the running program. Compiled with the feature `testing` alone, which no release has, and deaf
//! unless `HANDLER_TEST_CONTROLS=true`.
//!
//! | where | effect |
//! |---|---|
//! | header `x-test-panic` | the request panics |
//! | header `x-test-hold: <pid>` | the request has its effect, but the process with this id never answers it |
//! | property `test_panics` of a queued message | its first deliveries, so many, panic |
//! | `GET api/test/pid` | the process's id |
//! | `POST api/test/chores` | one round of every chore of the timer, due or not; the first failure |
//! | `POST api/test/store/away`, `…/here` | the stores refuse every call; do their work again |

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};

use super::Front;
use crate::config::Config;
use crate::error::{ApiError, Kind};
use crate::ports::Received;

pub(super) async fn layer(State(front): State<Front>, request: Request, next: Next) -> Response {
    if !front.config.test_controls {
        return next.run(request).await;
    }
    if let Some(control) = request.uri().path().strip_prefix("/api/test/") {
        return operate(&front, control).await.unwrap_or_else(IntoResponse::into_response);
    }
    let is_held = is_held(request.headers());
    let is_to_panic = request.headers().contains_key("x-test-panic");
    let answer = next.run(request).await;
    if is_held {
        std::future::pending::<()>().await;
    }
    if is_to_panic {
        panic_as_asked();
    }
    answer
}

/// Panics where a message of the batch asks for it and was not delivered often enough yet.
pub(super) fn before_delivery(config: &Config, messages: &[Received]) {
    let asks = |message: &Received| {
        let panics = message.properties.get("test_panics").and_then(|count| count.parse::<u32>().ok());
        panics.is_some_and(|panics| message.attempt <= panics)
    };
    if config.test_controls && messages.iter().any(asks) {
        panic_as_asked();
    }
}

async fn operate(front: &Front, control: &str) -> Result<Response, ApiError> {
    let services = front.services().await?;
    let set_stores_away = &services.set_stores_away;
    match control {
        "pid" => return Ok(std::process::id().to_string().into_response()),
        "chores" => services.chat.repair().await?,
        "store/away" => set_stores_away(true),
        "store/here" => set_stores_away(false),
        _ => return Err(ApiError::new(Kind::NoRoute, "There is no such control.")),
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn is_held(headers: &HeaderMap) -> bool {
    headers.get("x-test-hold").is_some_and(|pid| pid == std::process::id().to_string().as_str())
}

#[expect(clippy::panic, reason = "it is what the test asks for")]
fn panic_as_asked() {
    panic!("planted by a test");
}
