//! The application server's side: calls of the REST API ("data plane").
//!
//! ```no_run
//! # async fn run(http: reqwest::Client) -> Result<(), Box<dyn std::error::Error>> {
//! use webpubsub::client::{ClientOptions, SendOptions, ServiceClient, Audience};
//! use webpubsub::payload::{JsonText, Payload};
//!
//! let service = ServiceClient::from_connection_string(
//!     &"Endpoint=https://example.webpubsub.azure.com;AccessKey=secret;Version=1.0;".parse()?,
//!     "chat".parse()?,
//!     http,
//!     ClientOptions::default(),
//! );
//! let hello = Payload::Json(JsonText::new(r#"{"n":1}"#)?);
//! service.send(Audience::Group("room"), &hello, &SendOptions::default()).await?;
//! # Ok(()) }
//! ```
//!
//! # Repeats
//! A call that fails for a passing reason (408, 429, 5xx, no connection, no answer in time) is tried again, after what
//! `Retry-After` asks for or a growing pause with jitter, until [`ClientOptions::tries`] or [`ClientOptions::budget`] is
//! used up. Every call but a send can be carried out twice without harm. A send that got no answer may have reached its
//! receivers, so a repeat may be a second delivery: [`RepeatSends`] says which sends are repeated.
//!
//! A redirect is never followed, and a token never goes anywhere but to the endpoint.

mod access;
mod auth;
mod call;
mod error;
mod exchange;
mod groups;
mod options;
mod permissions;
mod retry;
mod sends;

use std::fmt;
use std::sync::Arc;

pub use access::ClientAccess;
pub use auth::{Credential, SCOPE, TokenProvider, TokenUnavailable};
pub use error::{ClientError, ErrorKind};
pub use groups::{Connection, Connections};
pub use options::{ClientOptions, RandomBytes, RepeatSends, UnixClock};
pub use sends::{Audience, MAX_MESSAGE, SendOptions};

use crate::connection_string::ConnectionString;
use crate::names::HubName;

/// The version of the REST API that is spoken.
pub const API_VERSION: &str = "2024-12-01";

/// A client of one hub of one service. Clones share everything.
#[derive(Clone)]
pub struct ServiceClient {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    http: reqwest::Client,
    /// Scheme, host and port, without a slash at the end.
    endpoint: String,
    hub: HubName,
    credential: Credential,
    options: ClientOptions,
}

impl ServiceClient {
    /// `endpoint` is scheme, host and port, such as `https://example.webpubsub.azure.com`. The connections are those of
    /// `http`; build it with a connect timeout, and without redirects.
    #[must_use]
    pub fn new(
        endpoint: &str,
        hub: HubName,
        credential: Credential,
        http: reqwest::Client,
        options: ClientOptions,
    ) -> Self {
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        Self { inner: Arc::new(Inner { http, endpoint, hub, credential, options }) }
    }

    /// A client that shows tokens made with the string's access key.
    #[must_use]
    pub fn from_connection_string(
        connection: &ConnectionString,
        hub: HubName,
        http: reqwest::Client,
        options: ClientOptions,
    ) -> Self {
        Self::new(&connection.endpoint, hub, Credential::Key(connection.access_key.clone()), http, options)
    }

    /// The same client with other options.
    #[must_use]
    pub fn with_options(&self, options: ClientOptions) -> Self {
        Self { inner: Arc::new(Inner { options, ..(*self.inner).clone() }) }
    }

    #[must_use]
    pub fn hub(&self) -> &HubName {
        &self.inner.hub
    }

    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.inner.endpoint
    }

    #[must_use]
    pub fn options(&self) -> &ClientOptions {
        &self.inner.options
    }
}

impl fmt::Debug for ServiceClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceClient")
            .field("endpoint", &self.inner.endpoint)
            .field("hub", &self.inner.hub)
            .field("credential", &self.inner.credential)
            .finish_non_exhaustive()
    }
}
