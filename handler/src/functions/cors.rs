use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ALLOW, ORIGIN,
    VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::Front;
use super::base::base;
use crate::config::{Config, Cors};
use crate::error::{ApiError, Kind};

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
const HEADERS: HeaderValue = HeaderValue::from_static(
    "Authorization, X-User-Id, Ocp-Apim-Subscription-Key, Content-Type, Idempotency-Key, x-ms-blob-type",
);

/// Lets the pages of the permitted origins call, answers their preflight requests, and plain `OPTIONS` with `Allow`.
pub(super) async fn layer(State(front): State<Front>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(ORIGIN).cloned();
    let options = request.method() == Method::OPTIONS;
    let preflight =
        options && origin.is_some() && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if preflight { no_content() } else { next.run(request).await };
    if options && response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response = allowed(&response);
    }
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.append(VARY, HeaderValue::from_static("Origin"));
        if permits(&front.config.cors, &origin) {
            permit(headers, origin, preflight);
        }
    }
    response
}

/// Refuses what a page of another site makes its visitor's browser ask. The browser says from where a request comes, and no
/// page can say otherwise; who sends none of its headers is no browser, and has no cookie but its own.
///
/// `CORS_ORIGINS=*` permits everybody to read what is public, and nobody to act for whoever is signed in.
pub(super) fn refuse_foreign_pages(config: &Config, headers: &HeaderMap) -> Result<(), ApiError> {
    let site = headers.get(FETCH_SITE).map(HeaderValue::as_bytes);
    if matches!(site, Some(b"same-origin" | b"none")) {
        return Ok(());
    }
    let is_ours = match headers.get(ORIGIN) {
        Some(origin) => {
            is_listed(&config.cors, origin) || (site.is_none() && is_own(config, headers, origin))
        }
        None => site.is_none(),
    };
    if is_ours {
        return Ok(());
    }
    let sentence = "A page of another site may not do this; CORS_ORIGINS says which may.";
    Err(ApiError::field(Kind::ForeignOrigin, "Origin", sentence))
}

fn is_listed(cors: &Cors, origin: &HeaderValue) -> bool {
    !matches!(cors, Cors::Anyone) && permits(cors, origin)
}

/// Whether the page came from the address that it asks. Who ends TLS in front may not say so, and the scheme is not compared.
fn is_own(config: &Config, headers: &HeaderMap, origin: &HeaderValue) -> bool {
    let base = base(config, headers);
    let host = |url: &str| url.split_once("://").map(|(_, host)| host.to_ascii_lowercase());
    origin.to_str().ok().and_then(host).is_some_and(|origin| host(&base) == Some(origin))
}

fn no_content() -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn allowed(refused: &Response) -> Response {
    let mut response = no_content();
    let methods = refused.headers().get(ALLOW).and_then(|allow| allow.to_str().ok()).unwrap_or_default();
    let options = if methods.contains("OPTIONS") { "" } else { ",OPTIONS" };
    if let Ok(allow) = HeaderValue::from_str(&format!("{methods}{options}")) {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

fn permit(headers: &mut HeaderMap, origin: HeaderValue, preflight: bool) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("Retry-After, Location, Link, WWW-Authenticate"),
    );
    if preflight {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
}

fn permits(cors: &Cors, origin: &HeaderValue) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    match cors {
        Cors::Nobody => false,
        Cors::Anyone => true,
        Cors::Origins(list) => list.iter().any(|permitted| permitted == origin),
        Cors::Localhost => is_localhost(origin),
    }
}

fn is_localhost(origin: &str) -> bool {
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    let authority = authority.and_then(|text| text.parse::<http::uri::Authority>().ok());
    authority.is_some_and(|authority| matches!(authority.host(), "localhost" | "127.0.0.1" | "[::1]"))
}

#[cfg(test)]
mod tests {
    use super::is_localhost;

    #[test]
    fn only_this_machine_is_localhost() {
        for origin in
            ["http://localhost", "http://localhost:5173", "https://127.0.0.1:1", "http://[::1]:8080"]
        {
            assert!(is_localhost(origin), "{origin}");
        }
        for origin in
            ["http://localhost.evil.example", "http://evil.example/localhost", "null", "ftp://localhost"]
        {
            assert!(!is_localhost(origin), "{origin}");
        }
    }
}
