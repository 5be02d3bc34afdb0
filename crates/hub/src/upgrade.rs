//! From an HTTP connection to a client's socket.

use std::sync::Arc;
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;

use crate::delivery::Socket;

/// How long the client's connection may take to be handed over once the upgrade was answered.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for the connection to be handed over. `None` if the client went away first, or if the server in front does
/// not serve plain TCP.
pub(crate) async fn socket(upgrade: OnUpgrade) -> Option<Socket> {
    let upgraded = tokio::time::timeout(PATIENCE, upgrade).await.ok()?.ok()?;
    // `axum::serve` wraps the stream once more than hyper alone does.
    let (io, early) = match auto::upgrade::downcast::<TokioIo<TcpStream>>(upgraded) {
        Ok(parts) => (parts.io, parts.read_buf),
        Err(upgraded) => match upgraded.downcast::<TokioIo<TcpStream>>() {
            Ok(parts) => (parts.io, parts.read_buf),
            Err(_) => {
                tracing::error!("the hub needs plain TCP below HTTP; the client's connection is dropped");
                return None;
            }
        },
    };
    let stream = io.into_inner();
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let (read, write) = stream.into_split();
    Some(Socket { read, write: Arc::new(write), early })
}
