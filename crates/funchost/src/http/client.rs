//! Calls to the handler on its loopback port.

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;

/// A body that is known whole.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

pub(crate) fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// Knows where the handler listens; clones share the connections.
#[derive(Clone)]
pub(crate) struct HandlerClient {
    port: u16,
    client: Client<HttpConnector, Body>,
}

impl HandlerClient {
    pub(crate) fn new(port: u16) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        Self { port, client }
    }

    /// The URL of a path and query on the handler.
    pub(crate) fn url(&self, target: &str) -> Result<Uri, http::uri::InvalidUri> {
        format!("http://127.0.0.1:{}{target}", self.port).parse()
    }

    pub(crate) async fn send(
        &self,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, hyper_util::client::legacy::Error> {
        self.client.request(request).await
    }

    /// The readiness poll: whether anything answers `GET /`. Only a connection that cannot be made means no.
    pub(crate) async fn answers(&self) -> bool {
        let Ok(url) = self.url("/") else { return false };
        match self.client.get(url).await {
            Ok(response) => {
                // Read to its end so that the connection can be used again.
                drop(response.into_body().collect().await);
                true
            }
            Err(error) => !error.is_connect(),
        }
    }
}
