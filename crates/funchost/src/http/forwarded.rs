//! `enableForwardingHttpRequest`: a copy of the request, buffered both ways and not quite exact.

use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};

use super::client::{empty, full};
use super::proxied::state_empty_length;
use super::{Front, Inbound, Reply, counted, headers, path, status, upgrade};
use crate::world;

pub(super) async fn answer(front: &Front, inbound: Inbound) -> Reply {
    let Inbound { mut request, path, function, generation, .. } = inbound;
    // The header would be copied without a body behind it, and the host's client refuses to send that.
    if request.headers().contains_key(header::TRANSFER_ENCODING) {
        return status(StatusCode::INTERNAL_SERVER_ERROR);
    }
    let tunnel = upgrade::requested(&mut request);
    let target = format!("{}{}", path::forwarded(&path), path::forwarded_query(request.uri().query()));
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, front.body_limit).collect().await else {
        return status(StatusCode::BAD_REQUEST);
    };
    let body = body.to_bytes();
    let call = async {
        let answered = exchange(front, &target, head, body).await;
        if answered.is_none() {
            front.invoker.process.settle(generation).await;
        }
        answered.ok_or(StatusCode::INTERNAL_SERVER_ERROR)
    };
    match (counted(&front.invoker, &function, generation, call).await, tunnel) {
        (Ok(Answered::Whole(response)), _) => reply(response),
        (Ok(Answered::Switched(response)), Some(tunnel)) => tunnel.open(response),
        _ => status(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// One call, never repeated; `None` where it cannot be made or breaks.
async fn exchange(front: &Front, target: &str, head: Parts, body: Bytes) -> Option<Answered> {
    let mut outbound = Request::new(if body.is_empty() { empty() } else { full(body) });
    *outbound.uri_mut() = front.invoker.client.url(target).ok()?;
    *outbound.headers_mut() = outbound_headers(&head.headers)?;
    state_empty_length(outbound.headers_mut(), &head.headers, &head.method);
    *outbound.method_mut() = head.method;
    let response = match front.invoker.client.send(outbound).await {
        Ok(response) => response,
        Err(error) => {
            tracing::debug!(%error, "a forwarded request failed");
            return None;
        }
    };
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Some(Answered::Switched(response));
    }
    let (head, body) = response.into_parts();
    let body = body.collect().await.ok()?.to_bytes();
    Some(Answered::Whole(Response::from_parts(head, body)))
}

enum Answered {
    Whole(Response<Bytes>),
    Switched(Response<Incoming>),
}

fn outbound_headers(inbound: &HeaderMap) -> Option<HeaderMap> {
    let mut outbound = headers::joined(inbound)?;
    let lost: Vec<_> =
        outbound.keys().filter(|name| headers::is_lost_content_header(name)).cloned().collect();
    for name in lost {
        outbound.remove(name);
    }
    headers::append_hosts_own(&mut outbound, &world::guid());
    Some(outbound)
}

fn reply(response: Response<Bytes>) -> Reply {
    let (mut head, body) = response.into_parts();
    headers::remove_hop_by_hop(&mut head.headers);
    head.extensions.clear();
    Response::from_parts(head, if body.is_empty() { empty() } else { full(body) })
}
