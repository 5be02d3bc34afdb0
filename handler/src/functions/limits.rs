//! How many requests an address may make. Whose address counts, and that no header gives a fresh bucket, is said in
//! [`origin`].

use std::net::{IpAddr, Ipv4Addr};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::Method;

use super::Front;
use super::origin::{self, Peer};
use crate::error::ApiError;

/// Charges each request to its client's address. Those that are not: the probes, which a neighbour's flood must not make fail,
/// and events, which a service brings for all its clients; an event without proof is charged where that is found out. The question
/// whether events may come is charged: its answer tells whether the URL's secret is right.
pub(super) async fn layer(State(front): State<Front>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let path = path.strip_prefix("/api").unwrap_or(path);
    let is_event = path == "/eventhandler" && request.method() != Method::OPTIONS;
    if is_event || matches!(path, "/health" | "/readyz") {
        return next.run(request).await;
    }
    match charge(&front, &request) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// Takes one request's token from the client's address.
pub(super) fn charge(front: &Front, request: &Request) -> Result<(), ApiError> {
    let peer = request.extensions().get::<Peer>().copied();
    let address = origin::client(request.headers(), peer, front.config.trusted_proxies);
    // Those of whom nothing is known share one bucket.
    Ok(front.limits.request(address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))?)
}
