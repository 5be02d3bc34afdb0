use axum::extract::{Request, State};
use axum::response::Response;
use tower::ServiceExt;

use super::Front;
use crate::error::{ApiError, Kind};

/// The embedded hub on the HTTP port; what is not its own either is 404.
pub(super) async fn handle(State(front): State<Front>, request: Request) -> Result<Response, ApiError> {
    if is_the_hubs(request.uri().path()) {
        everything(State(front), request).await
    } else {
        Err(ApiError::new(Kind::NoRoute, "There is nothing at this path; GET / says what there is."))
    }
}

/// The hub on a port of its own.
pub(super) async fn everything(State(front): State<Front>, request: Request) -> Result<Response, ApiError> {
    let hub = front.services().await?.hub.clone();
    match hub.oneshot(request).await {
        Ok(response) => Ok(response),
        Err(never) => match never {},
    }
}

fn is_the_hubs(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    path == "/ws" || path == "/client" || path.starts_with("/client/") || path.starts_with("/api/hubs/")
}
