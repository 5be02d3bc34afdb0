use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;

use super::Front;
use crate::config::Config;

/// With `HANDLER_TEST_PANICS=true`, panics for a request that asks for it, so that a test can see it survived.
#[expect(clippy::panic, reason = "it is what the test asks for")]
pub(super) fn if_asked(config: &Config, headers: &HeaderMap) {
    if config.test_panics && headers.contains_key("x-test-panic") {
        panic!("planted by a test");
    }
}

pub(super) async fn layer(State(front): State<Front>, request: Request, next: Next) -> Response {
    if_asked(&front.config, request.headers());
    next.run(request).await
}
