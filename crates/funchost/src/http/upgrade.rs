//! WebSocket upgrades: both sides become one stream of bytes.

use http::{HeaderMap, HeaderValue, header};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

use super::client::empty;
use super::{Reply, headers};

/// The caller's side of an upgrade that was asked for.
pub(super) struct Tunnel {
    caller: OnUpgrade,
}

/// Whether the caller asks for a WebSocket.
pub(super) fn requested(request: &mut Request<Incoming>) -> Option<Tunnel> {
    let says = |name, word: &str| {
        let values =
            request.headers().get_all(name).iter().filter_map(|value: &HeaderValue| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|token| token.trim().eq_ignore_ascii_case(word))
    };
    let asked = says(header::UPGRADE, "websocket") && says(header::CONNECTION, "upgrade");
    asked.then(|| Tunnel { caller: hyper::upgrade::on(request) })
}

pub(super) fn add_headers(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
}

impl Tunnel {
    /// Answers 101 and carries bytes both ways until either side ends; the handler's death ends it.
    pub(super) fn open(self, mut response: Response<Incoming>) -> Reply {
        let handler = hyper::upgrade::on(&mut response);
        let caller = self.caller;
        tokio::spawn(async move {
            let (Ok(caller), Ok(handler)) = (caller.await, handler.await) else { return };
            let (mut caller, mut handler) = (TokioIo::new(caller), TokioIo::new(handler));
            if let Err(error) = tokio::io::copy_bidirectional(&mut caller, &mut handler).await {
                tracing::debug!(%error, "a WebSocket ended early");
            }
        });
        let (mut head, _) = response.into_parts();
        headers::remove_hop_by_hop(&mut head.headers);
        head.extensions.clear();
        add_headers(&mut head.headers);
        Response::from_parts(head, empty())
    }
}
