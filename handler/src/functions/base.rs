use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::HOST;
use http::{HeaderMap, HeaderName};

use super::Front;
use crate::config::Config;
use crate::reach;

const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Our own address as this caller sees it. Whoever forges the headers deceives only themself.
pub(super) fn base(config: &Config, headers: &HeaderMap) -> String {
    if let Some(endpoint) = &config.public_ws_endpoint {
        return endpoint.as_http();
    }
    let text =
        |name: HeaderName| headers.get(name).and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
    let first = |name| text(name).and_then(|list| list.split(',').next()).map(str::trim);
    let proto = first(FORWARDED_PROTO)
        .filter(|proto| proto.eq_ignore_ascii_case("https"))
        .map_or("http", |_| "https");
    let authority = |text: &&str| text.parse::<http::uri::Authority>().is_ok() && !text.contains('@');
    let host = first(FORWARDED_HOST).filter(authority).or_else(|| text(HOST).filter(authority));
    format!("{proto}://{}", host.unwrap_or("localhost"))
}

/// Links in the answer lead back to where the caller found us.
pub(super) async fn layer(State(front): State<Front>, request: Request, next: Next) -> Response {
    let base: Arc<str> = base(&front.config, request.headers()).into();
    reach::by(base, next.run(request)).await
}
