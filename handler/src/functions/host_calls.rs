use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{HOST, TRANSFER_ENCODING, USER_AGENT};
use http::{HeaderName, Method};

use super::trigger::{self, Trigger};
use super::{Front, http_json, timer};
use crate::config::Place;
use crate::ports::Entity;

const INVOCATION_ID: HeaderName = HeaderName::from_static("x-azure-functions-invocationid");
/// The host adds it to what it proxies, and to nothing else.
const PROXIED: HeaderName = HeaderName::from_static("x-ms-invocation-id");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The host's id of an invocation. It overwrites what a caller sends under this name, so it can be believed under
/// the host, and only there.
#[derive(Clone, Debug)]
pub(crate) struct InvocationId(pub(super) Arc<str>);

impl InvocationId {
    pub(super) fn of(request: &Request) -> Option<Self> {
        request.headers().get(INVOCATION_ID).and_then(|id| id.to_str().ok()).map(|id| Self(Arc::from(id)))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A function as the host calls it in its JSON envelope.
#[derive(Clone, Copy)]
enum Function {
    Trigger(Trigger),
    Timer,
    Http,
}

/// The function folders, by name.
fn function(path: &str) -> Option<Function> {
    match path {
        "/processQueue" => Some(Function::Trigger(Trigger::Messages(Entity::Queue))),
        "/processTopic" => Some(Function::Trigger(Trigger::Messages(Entity::Topic))),
        "/deadLetters" => Some(Function::Trigger(Trigger::DeadLetters(Entity::Queue))),
        "/deadLettersTopic" => Some(Function::Trigger(Trigger::DeadLetters(Entity::Topic))),
        "/retention" => Some(Function::Timer),
        "/sendMessage" | "/negotiate" | "/eventhandler" | "/web" => Some(Function::Http),
        _ => None,
    }
}

/// Under a Functions host: notes the invocation's id, and takes the host's own calls out of the stream. Everything
/// else, a caller's request to such a path included, goes to the routes.
pub(super) async fn layer(State(front): State<Front>, mut request: Request, next: Next) -> Response {
    let Place::Functions { http, core_tools, .. } = &front.config.place else {
        return next.run(request).await;
    };
    let Some(id) = InvocationId::of(&request) else { return next.run(request).await };
    request.extensions_mut().insert(id);
    let function =
        function(request.uri().path()).filter(|_| by_the_host_itself(&request, http.port(), *core_tools));
    match function {
        Some(Function::Trigger(trigger)) => trigger::run(&front, trigger, request).await,
        Some(Function::Timer) => timer::run(&front).await,
        Some(Function::Http) => http_json::run(request, next).await,
        None => next.run(request).await,
    }
}

/// Whether the host made up this request, rather than passing on a caller's. A proxied one has `x-ms-invocation-id`,
/// a forwarded one the caller's `Host`, the caller's `User-Agent` before the host's, and a length; the host's own are
/// chunked, but for Core Tools, which buffers them.
fn by_the_host_itself(request: &Request, port: u16, core_tools: bool) -> bool {
    let headers = request.headers();
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    request.method() == Method::POST
        && !headers.contains_key(PROXIED)
        && !headers.contains_key(FORWARDED_HOST)
        && text(HOST) == format!("127.0.0.1:{port}")
        && text(USER_AGENT).starts_with("Azure-Functions-Host/")
        && !text(USER_AGENT).contains(' ')
        && (core_tools || text(TRANSFER_ENCODING).eq_ignore_ascii_case("chunked"))
}
