//! `enableProxyingHttpRequest`: a reverse proxy that streams both ways and repeats a request whose connection broke.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Request, Response, Uri};

use super::client::empty;
use super::replay::{Fault, Tape};
use super::{Front, Inbound, Reply, counted, headers, path, status, upgrade};
use crate::invoke::HOST_VERSION;
use crate::world;

/// Ten attempts, the same invocation id in all of them.
const ATTEMPTS: u32 = 10;

/// The wait behind an attempt: 50 ms more each time, at most 250.
fn pause_after(attempt: u32) -> Duration {
    Duration::from_millis(50) * attempt.min(5)
}

pub(super) async fn answer(front: &Front, inbound: Inbound) -> Reply {
    let Inbound { mut request, peer, path, function, generation, .. } = inbound;
    let tunnel = upgrade::requested(&mut request);
    let target = match request.uri().query() {
        Some(query) => format!("{}?{query}", path::proxied(&path)),
        None => path::proxied(&path),
    };
    let (head, body) = request.into_parts();
    let id = world::guid();
    let outbound = outbound_headers(&head.headers, &head.method, peer.ip(), &id, tunnel.is_some());
    let sending = Sending {
        front,
        method: head.method,
        target,
        headers: outbound,
        tape: Tape::new(body, front.body_limit),
    };
    match (counted(&front.invoker, &function, generation, sending.with_attempts()).await, tunnel) {
        (Ok(response), Some(tunnel)) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            tunnel.open(response)
        }
        (Ok(response), _) => reply(response),
        (Err(code), _) => status(code),
    }
}

struct Sending<'a> {
    front: &'a Front,
    method: Method,
    target: String,
    /// `None` where the caller's cannot be sent: every attempt fails then, as in the host.
    headers: Option<HeaderMap>,
    tape: Tape,
}

impl Sending<'_> {
    async fn with_attempts(&self) -> Result<Response<Incoming>, StatusCode> {
        let url =
            self.front.invoker.client.url(&self.target).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
        for attempt in 1..=ATTEMPTS {
            match self.once(&url).await {
                Ok(response) => return Ok(response),
                Err(error) => tracing::debug!(attempt, error, "a proxied request failed"),
            }
            match self.tape.fault() {
                Some(Fault::TooLarge) => return Err(StatusCode::PAYLOAD_TOO_LARGE),
                Some(Fault::Broken) => return Err(StatusCode::BAD_REQUEST),
                None if attempt < ATTEMPTS => tokio::time::sleep(pause_after(attempt)).await,
                None => {}
            }
        }
        Err(StatusCode::INTERNAL_SERVER_ERROR)
    }

    async fn once(&self, url: &Uri) -> Result<Response<Incoming>, String> {
        let headers = self.headers.clone().ok_or("a header is not ASCII")?;
        let body = if self.tape.is_empty() { empty() } else { self.tape.play().boxed_unsync() };
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = url.clone();
        *request.headers_mut() = headers;
        self.front.invoker.client.send(request).await.map_err(|error| error.to_string())
    }
}

fn outbound_headers(
    inbound: &HeaderMap,
    method: &Method,
    peer: std::net::IpAddr,
    id: &str,
    upgrades: bool,
) -> Option<HeaderMap> {
    let mut outbound = headers::joined(inbound)?;
    let host = outbound.remove(header::HOST);
    headers::remove_hop_by_hop(&mut outbound);
    let own = [
        (headers::HOST_VERSION_NAME, HeaderValue::from_static(HOST_VERSION)),
        (headers::INVOCATION_ID_NAME, HeaderValue::from_str(id).ok()?),
        (HeaderName::from_static("x-ms-invocation-id"), HeaderValue::from_str(id).ok()?),
        (HeaderName::from_static("x-forwarded-for"), HeaderValue::from_str(&peer.to_string()).ok()?),
        (HeaderName::from_static("x-forwarded-proto"), HeaderValue::from_static("http")),
    ];
    for (name, value) in own {
        outbound.insert(name, value);
    }
    match host {
        Some(host) => outbound.insert("x-forwarded-host", host),
        None => outbound.remove("x-forwarded-host"),
    };
    if upgrades {
        upgrade::add_headers(&mut outbound);
    }
    state_empty_length(&mut outbound, inbound, method);
    Some(outbound)
}

/// The host's client states the length of a body that is not there, for methods that usually have one.
pub(super) fn state_empty_length(outbound: &mut HeaderMap, inbound: &HeaderMap, method: &Method) {
    let has_body =
        inbound.contains_key(header::CONTENT_LENGTH) || inbound.contains_key(header::TRANSFER_ENCODING);
    if !has_body && [Method::POST, Method::PUT, Method::PATCH].contains(method) {
        outbound.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
}

fn reply(response: Response<Incoming>) -> Reply {
    let (mut head, body) = response.into_parts();
    headers::remove_hop_by_hop(&mut head.headers);
    head.extensions.clear();
    Response::from_parts(head, body.map_err(Into::into).boxed_unsync())
}
