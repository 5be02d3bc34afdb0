//! One log line for each request: which function, how it ended, how long it took and what it called.

use std::borrow::Cow;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::Front;
use super::host_calls::InvocationId;
use crate::calls::{Invocation, Tally};
use crate::trace::Trace;

/// What a response tells the line. It never reaches the wire.
#[derive(Clone, Debug)]
pub(super) struct Function(pub(super) Cow<'static, str>);

/// How it ended, where the response's own status does not tell.
#[derive(Clone, Debug)]
pub(super) struct Ended(pub(super) String);

/// Around everything the host or a caller asks for.
pub(super) async fn layer(State(front): State<Front>, request: Request, next: Next) -> Response {
    let mut invocation = Invocation::start("other", front.config.under_host());
    invocation.id = InvocationId::of(&request).filter(|_| front.config.under_host()).map(|id| id.0);
    let trace = trace(&request, invocation.id.as_deref());
    let work = async move {
        if let Some(trace) = trace {
            Tally::follow(trace);
        }
        next.run(request).await
    };
    let response = invocation.tally().count(work).await;
    let told = response.extensions();
    if let Some(Function(function)) = told.get() {
        invocation.function = function.clone();
    }
    invocation.outcome = match told.get() {
        Some(Ended(outcome)) => outcome.clone().into(),
        None => response.status().as_u16().to_string().into(),
    };
    response
}

/// The caller's trace goes on here; the host starts none, so each of its invocations is one. Alone, there is none but the
/// caller's.
fn trace(request: &Request, invocation: Option<&str>) -> Option<Trace> {
    let header = request.headers().get(Trace::NAME).and_then(|text| text.to_str().ok());
    let callers = header.and_then(Trace::parse);
    match (invocation, header) {
        (Some(id), _) => Some(Trace::continued(callers, id)),
        (None, Some(header)) => callers.map(|trace| Trace::continued(Some(trace), header)),
        (None, None) => None,
    }
}

/// Around each route: its template stands for the path, which may name people.
pub(super) async fn route(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let template =
        request.extensions().get::<MatchedPath>().map(|path| format!("{method} {}", path.as_str()));
    let mut response = next.run(request).await;
    if let Some(template) = template {
        response.extensions_mut().insert(Function(template.into()));
    }
    response
}
