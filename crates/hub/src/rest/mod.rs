//! The data plane: what an application server calls, `/api/hubs/{hub}/…` and `/api/health`.
//!
//! One way through for every call: route, authenticate, API version, hub name, operation. A path or method that does not
//! exist is 404 or 405 to everybody; everything else needs a token signed with an access key. The answers are those of
//! the service (`docs/PROTOCOL.md`).

mod answer;
mod body;
mod groups;
mod listing;
mod operations;
mod query;
mod route;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::{Method, StatusCode};
use webpubsub::names::HubName;
use webpubsub::token::verify_rest_token;

use crate::Hub;
use crate::request::bearer;
use answer::Refusal;
use query::Query;
use route::Unroutable;

/// The versions of the API that are understood, in the words of the `api-supported-versions` header. The operations
/// are the same in all of them.
const API_VERSIONS: &str = "2021-10-01, 2022-11-01, 2023-07-01, 2024-01-01, 2024-12-01";

/// The service is there. As in the emulator only `HEAD` asks for it.
pub(crate) fn health(method: &Method) -> Response {
    match *method {
        Method::HEAD => answer::empty(StatusCode::OK),
        _ => answer::method_not_allowed("HEAD"),
    }
}

/// A call below `/api/hubs/`.
pub(crate) async fn serve(hub: &Hub, request: Request) -> Response {
    let head_only = *request.method() == Method::HEAD;
    let answer = call(hub, request).await.unwrap_or_else(|refusal| answer::refused(hub, &refusal));
    if head_only { answer.map(|_| Body::empty()) } else { answer }
}

async fn call(hub: &Hub, request: Request) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let segments = route::segments(parts.uri.path());
    let Some([hub_segment, words @ ..]) = segments.as_deref() else {
        return Ok(answer::not_found());
    };
    let operation = match route::route(&parts.method, words) {
        Ok(operation) => operation,
        Err(Unroutable::NotFound) => return Ok(answer::not_found()),
        Err(Unroutable::MethodNotAllowed(allow)) => return Ok(answer::method_not_allowed(allow)),
    };
    let path_and_query = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    authenticate(hub, &parts.headers, path_and_query)?;
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    check_version(&query)?;
    let name = HubName::new(hub_segment).map_err(|invalid| Refusal::bad_request(invalid.to_string()))?;
    operations::perform(hub, &name, operation, &query, &parts, body).await
}

fn authenticate(hub: &Hub, headers: &http::HeaderMap, path_and_query: &str) -> Result<(), Refusal> {
    let options = hub.options();
    let now = (options.clock)();
    bearer(headers)
        .filter(|token| verify_rest_token(&options.access_keys, token, path_and_query, now).is_ok())
        .map(drop)
        .ok_or(Refusal::Unauthorized)
}

/// No version means the latest.
fn check_version(query: &Query<'_>) -> Result<(), Refusal> {
    let known = |version: &str| API_VERSIONS.split(", ").any(|known| known == version);
    match query.all("api-version").collect::<Vec<_>>()[..] {
        [] => Ok(()),
        [version] if known(version) => Ok(()),
        [_] => Err(Refusal::api_version("The specified API version is not supported.")),
        _ => Err(Refusal::api_version("The API version is specified more than once.")),
    }
}
