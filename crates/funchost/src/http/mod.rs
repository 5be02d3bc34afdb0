//! The front door: the host's own routes, function keys, and the way to the handler.

pub(crate) mod client;
mod forwarded;
mod headers;
mod json;
mod path;
mod proxied;
mod replay;
pub(crate) mod server;
mod upgrade;

use std::net::SocketAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use hyper::body::Incoming;
use hyper::{Request, Response};

use crate::config::{AuthLevel, Function, HttpTrigger, Trigger};
use crate::control::{End, Status};
use crate::invoke::Invoker;
use crate::routes::{Params, Routes};
use client::{Body, empty, full};

pub(crate) type Reply = Response<Body>;

/// How HTTP functions with one input and one output reach the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpMode {
    /// `enableProxyingHttpRequest`: a reverse proxy. It wins over forwarding.
    Proxied,
    /// `enableForwardingHttpRequest`: a buffered copy.
    Forwarded,
    /// Neither: the JSON envelope.
    Json,
}

/// Everything a request needs.
pub(crate) struct Front {
    pub(crate) functions: Vec<Arc<Function>>,
    pub(crate) routes: Routes,
    pub(crate) mode: HttpMode,
    pub(crate) invoker: Arc<Invoker>,
    pub(crate) function_key: String,
    pub(crate) body_limit: usize,
    pub(crate) status: Box<dyn Fn() -> Status + Send + Sync>,
}

/// A request that found its function.
pub(crate) struct Inbound {
    pub(crate) request: Request<Incoming>,
    pub(crate) peer: SocketAddr,
    /// The decoded path.
    pub(crate) path: String,
    pub(crate) params: Params,
    pub(crate) function: Arc<Function>,
    /// From [`crate::process::Process::ready`].
    pub(crate) generation: u64,
}

impl Front {
    pub(crate) async fn answer(self: Arc<Self>, request: Request<Incoming>, peer: SocketAddr) -> Reply {
        let mut reply = self.route(request, peer).await;
        reply.headers_mut().entry(header::SERVER).or_insert(HeaderValue::from_static("Kestrel"));
        reply
    }

    async fn route(self: Arc<Self>, request: Request<Incoming>, peer: SocketAddr) -> Reply {
        let Some(path) = path::decode(request.uri().path()) else { return status(StatusCode::BAD_REQUEST) };
        if let Some(reply) = self.own_route(&path) {
            return reply;
        }
        let Some((index, params)) = self.routes.find(request.method().as_str(), &path) else {
            return status(StatusCode::NOT_FOUND);
        };
        let function = Arc::clone(&self.functions[index]);
        let Trigger::Http(trigger) = &function.trigger else { return status(StatusCode::NOT_FOUND) };
        if !self.may_call(trigger, &request) {
            return status(StatusCode::UNAUTHORIZED);
        }
        if has_too_much(request.headers(), self.body_limit) {
            return status(StatusCode::PAYLOAD_TOO_LARGE);
        }
        let generation = match self.invoker.process.ready().await {
            Ok(generation) => generation,
            Err(reason) => {
                tracing::warn!(%reason, "a request came to a host that has stopped");
                return status(StatusCode::SERVICE_UNAVAILABLE);
            }
        };
        let mode = if function.plain_http { self.mode } else { HttpMode::Json };
        let inbound = Inbound { request, peer, path, params, function, generation };
        match mode {
            HttpMode::Proxied => proxied::answer(&self, inbound).await,
            // In these two the handler is not told that the caller went away: the call goes on without it.
            HttpMode::Forwarded => detached(async move { forwarded::answer(&self, inbound).await }).await,
            HttpMode::Json => detached(async move { json::answer(&self, inbound).await }).await,
        }
    }

    /// `/admin` and `/runtime` belong to the host.
    fn own_route(&self, path: &str) -> Option<Reply> {
        let lower = path.to_ascii_lowercase();
        match lower.as_str() {
            "/admin/host/ping" => {
                let mut reply = status(StatusCode::OK);
                reply
                    .headers_mut()
                    .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store,no-cache"));
                reply.headers_mut().insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
                Some(reply)
            }
            "/admin/double/status" => {
                let mut reply = Response::new(full(serde_json::to_vec(&(self.status)()).unwrap_or_default()));
                reply
                    .headers_mut()
                    .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
                Some(reply)
            }
            _ => {
                let first = lower.split('/').nth(1).unwrap_or_default();
                matches!(first, "admin" | "runtime").then(|| status(StatusCode::UNAUTHORIZED))
            }
        }
    }

    /// The header `x-functions-key` wins over `?code=`.
    fn may_call(&self, trigger: &HttpTrigger, request: &Request<Incoming>) -> bool {
        if trigger.auth == AuthLevel::Anonymous {
            return true;
        }
        if let Some(key) = request.headers().get("x-functions-key") {
            return key.as_bytes() == self.function_key.as_bytes();
        }
        let query = path::parse_query(request.uri().query().unwrap_or_default());
        query.iter().any(|(name, value)| name.eq_ignore_ascii_case("code") && *value == self.function_key)
    }
}

/// Runs a call to the handler within the function's time and counts it. The error is the caller's answer; 500 when the
/// time was up.
async fn counted<T>(
    invoker: &Invoker,
    function: &Function,
    generation: u64,
    call: impl Future<Output = Result<T, StatusCode>>,
) -> Result<T, StatusCode> {
    let running = invoker.board.began(&function.name);
    let result = invoker.until_killed(tokio::time::Instant::now(), generation, call).await;
    running.ended(match &result {
        Some(Ok(_)) => End::Success,
        Some(Err(_)) => End::Failure,
        None => End::Timeout,
    });
    result.unwrap_or(Err(StatusCode::INTERNAL_SERVER_ERROR))
}

fn has_too_much(headers: &HeaderMap, limit: usize) -> bool {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    length.and_then(|length| length.parse::<usize>().ok()).is_some_and(|length| length > limit)
}

/// Runs to its end even when nobody waits any more.
async fn detached(answer: impl Future<Output = Reply> + Send + 'static) -> Reply {
    tokio::spawn(answer).await.unwrap_or_else(|_| status(StatusCode::INTERNAL_SERVER_ERROR))
}

/// An answer without a body.
pub(crate) fn status(status: StatusCode) -> Reply {
    let mut reply = Response::new(empty());
    *reply.status_mut() = status;
    reply
}
