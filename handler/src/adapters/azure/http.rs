use std::time::Duration;

use async_trait::async_trait;
use azure_core::error::{Error, ErrorKind, ResultExt};
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Request, StatusCode};
use reqwest::redirect::Policy;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// For whole requests that bring no timeout of their own.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The connections to Azure that all adapters share: one pool, one TLS. Clones share it.
///
/// It also carries the calls of `azure_identity`, whose own transport would bring a second HTTP client and TLS into the
/// program.
#[derive(Clone, Debug)]
pub struct Http {
    remote: reqwest::Client,
    local: reqwest::Client,
    /// For a request to a service, instead of the time that its adapter gives it.
    service_timeout: Option<Duration>,
}

/// TLS could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("no HTTP client can be made")]
pub struct HttpUnavailable(#[from] reqwest::Error);

impl Http {
    /// Opens no connection yet.
    pub fn new() -> Result<Self, HttpUnavailable> {
        let builder = || {
            reqwest::Client::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .timeout(TIMEOUT)
                .redirect(Policy::none())
        };
        // What is on this machine, or beside it, is not behind a proxy.
        let (remote, local) = (builder().build()?, builder().no_proxy().build()?);
        Ok(Self { remote, local, service_timeout: None })
    }

    /// Whoever runs the program knows how long a request to a service may take; nothing where they do not say.
    #[must_use]
    pub fn with_service_timeout(self, timeout: Option<Duration>) -> Self {
        Self { service_timeout: timeout, ..self }
    }

    /// How long a request may take, where its adapter gives it `usual`.
    pub(super) fn service_timeout(&self, usual: Duration) -> Duration {
        self.service_timeout.unwrap_or(usual)
    }

    /// The client for a place. Azure speaks https; plain http is spoken by doubles of it and by the identity endpoint of
    /// the machine.
    #[must_use]
    pub fn of(&self, url: &str) -> &reqwest::Client {
        if url.starts_with("http://") { &self.local } else { &self.remote }
    }
}

#[async_trait]
impl HttpClient for Http {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let method = request.method().as_str().parse().unwrap_or(reqwest::Method::GET);
        let mut sent = self.of(request.url().as_str()).request(method, request.url().clone());
        for (name, value) in request.headers().iter() {
            sent = sent.header(name.as_str(), value.as_str());
        }
        let Body::Bytes(body) = request.body().clone() else {
            return Err(Error::with_message(
                ErrorKind::Other,
                "a request for a token has its body in memory",
            ));
        };
        let answer = sent.body(body).send().await.map_err(failed)?;
        let mut headers = Headers::new();
        for (name, value) in answer.headers() {
            if let Ok(value) = value.to_str() {
                headers.insert(name.as_str().to_owned(), value.to_owned());
            }
        }
        let status = StatusCode::from(answer.status().as_u16());
        let body =
            answer.bytes().await.map_err(failed).with_context(ErrorKind::Io, "the answer broke off")?;
        Ok(AsyncRawResponse::from_bytes(status, headers, body))
    }
}

/// How long who answers asks to be left alone: whole seconds, the only form these services use.
pub(super) fn retry_after(headers: &reqwest::header::HeaderMap) -> Option<Duration> {
    let seconds = headers.get(reqwest::header::RETRY_AFTER)?.to_str().ok()?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

/// Without the URL: it may name an identity.
fn failed(error: reqwest::Error) -> Error {
    let kind = if error.is_connect() { ErrorKind::Connection } else { ErrorKind::Io };
    Error::with_error(kind, error.without_url(), "no answer")
}
