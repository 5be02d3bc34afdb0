use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::functions::origin::Peer;

/// How long a peer may take to send a request's head, idle time between requests and the time it takes to read the last
/// answer included, so that a peer that takes nothing is given up too. Above the minute for which the Functions host keeps
/// an idle connection, so that it is never the one we are closing.
const HEAD_TIMEOUT: Duration = Duration::from_secs(120);
/// Rest after a failed accept (no file descriptors left), so that it does not spin.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Serves HTTP/1.1 until `stop`; then takes no more connections, lets requests under way end, and returns.
/// Sockets that were upgraded are not waited for: they are the hub's to close.
pub(super) async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let peer = Peer(peer.ip());
                    drop(connections.spawn(serve_one(stream, peer, router.clone(), stop.clone())));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_REST).await;
                }
            },
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn serve_one(stream: TcpStream, peer: Peer, router: Router, stop: CancellationToken) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "the connection closed at once");
        return;
    }
    let service = service_fn(move |mut request: Request<Incoming>| {
        let router = router.clone();
        request.extensions_mut().insert(peer);
        async move { Ok::<_, Infallible>(answer(router, request).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn answer(router: Router, request: Request<Incoming>) -> axum::response::Response {
    match router.oneshot(request.map(Body::new)).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::{Instant, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_head_that_never_ends_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nhost: ").await.unwrap();
        let started = Instant::now();
        let serving = serve_one(stream, Peer(peer.ip()), Router::new(), CancellationToken::new());
        timeout(HEAD_TIMEOUT * 2, serving).await.expect("it is given up");
        assert!(started.elapsed() >= HEAD_TIMEOUT);
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.unwrap();
        assert!(!rest.starts_with(b"HTTP/1.1 200"));
    }
}
