use http::Method;

use super::call::Call;
use super::{ClientError, ErrorKind, ServiceClient};
use crate::metadata::Metadata;
use crate::payload::Payload;

/// The longest message, in bytes.
pub const MAX_MESSAGE: usize = 1024 * 1024;

/// The connections that a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience<'a> {
    /// All of the hub.
    All,
    Group(&'a str),
    User(&'a str),
    Connection(&'a str),
}

/// What a send may carry besides its payload.
#[derive(Clone, Debug, Default)]
pub struct SendOptions<'a> {
    /// Connections that do not get it. For all and for a group.
    pub excluded: &'a [String],
    /// An OData filter over connections, such as `userId ne 'ann'`. Not for a single connection.
    pub filter: Option<&'a str>,
    /// How long it waits for a reliable connection whose socket is away, in seconds, 0 to 300; 0 is without limit.
    pub ttl_secs: Option<u16>,
    pub metadata: Metadata,
}

impl<'a> Audience<'a> {
    /// Its path, with `verb` at the end where there is one.
    fn words(self, verb: Option<&'a str>) -> Vec<&'a str> {
        let words = match self {
            Self::All => Vec::new(),
            Self::Group(name) => vec!["groups", name],
            Self::User(id) => vec!["users", id],
            Self::Connection(id) => vec!["connections", id],
        };
        words.into_iter().chain(verb).collect()
    }
}

impl ServiceClient {
    /// Sends a message. `Ok` means that the service took it; a connection, user or group that is not there is `Ok` too.
    pub async fn send(
        &self,
        to: Audience<'_>,
        payload: &Payload,
        options: &SendOptions<'_>,
    ) -> Result<(), ClientError> {
        let operation = match to {
            Audience::All => "send to all",
            Audience::Group(_) => "send to a group",
            Audience::User(_) => "send to a user",
            Audience::Connection(_) => "send to a connection",
        };
        let invalid = |what: &str| Err(ClientError::new(operation, ErrorKind::Invalid, what));
        if payload.as_bytes().len() > MAX_MESSAGE {
            let size = format!("the message has {} bytes", payload.as_bytes().len());
            return Err(ClientError::new(operation, ErrorKind::TooLarge, size));
        }
        if !options.excluded.is_empty() && matches!(to, Audience::User(_) | Audience::Connection(_)) {
            return invalid("connections can be excluded from a group or from all, nothing else");
        }
        if options.filter.is_some() && matches!(to, Audience::Connection(_)) {
            return invalid("a single connection takes no filter");
        }
        let ttl = options.ttl_secs.map(|secs| secs.to_string());
        let mut call = self
            .call(operation, Method::POST, &to.words(Some(":send")))?
            .query_all("excluded", options.excluded)
            .query_some("filter", options.filter)
            .query_some("messageTtlSeconds", ttl.as_deref())
            .body(payload.content_type(), payload.clone().into_bytes());
        options.metadata.write_headers(&mut call.headers);
        call.repeatable = false;
        self.exchange(&call).await.map(drop)
    }

    /// Closes connections, which ends their recovery too. `excluded` does not exist for a single one. The reason reaches
    /// clients of the JSON protocols. What is not there is `Ok`. A connection that opens while the call is repeated may be
    /// closed as well.
    pub async fn close(
        &self,
        whom: Audience<'_>,
        excluded: &[String],
        reason: Option<&str>,
    ) -> Result<(), ClientError> {
        let operation = match whom {
            Audience::All => "close all connections",
            Audience::Group(_) => "close a group's connections",
            Audience::User(_) => "close a user's connections",
            Audience::Connection(_) => "close a connection",
        };
        let call = match whom {
            Audience::Connection(_) if !excluded.is_empty() => {
                let sentence = "nothing can be excluded from a single connection";
                return Err(ClientError::new(operation, ErrorKind::Invalid, sentence));
            }
            Audience::Connection(_) => self.call(operation, Method::DELETE, &whom.words(None))?,
            _ => self.call(operation, Method::POST, &whom.words(Some(":closeConnections")))?,
        };
        let call = call.query_all("excluded", excluded).query_some("reason", reason);
        self.exchange(&call).await.map(drop)
    }

    /// Whether the connection is open, or the user or group has an open connection. Not for all: see [`Self::check`].
    pub async fn exists(&self, whom: Audience<'_>) -> Result<bool, ClientError> {
        let operation = match whom {
            Audience::All => {
                let sentence = "there is no such question about all connections";
                return Err(ClientError::new("look for connections", ErrorKind::Invalid, sentence));
            }
            Audience::Group(_) => "look for a group",
            Audience::User(_) => "look for a user",
            Audience::Connection(_) => "look for a connection",
        };
        let call = self.call(operation, Method::HEAD, &whom.words(None))?;
        self.exchange_unless_missing(&call).await.map(|answer| answer.is_some())
    }

    /// Whether the service answers, and lets us call: one question whose answer does not matter.
    pub async fn check(&self) -> Result<(), ClientError> {
        self.exists(Audience::Group("_")).await.map(drop)
    }

    /// A call of what stands below our hub.
    pub(super) fn call(
        &self,
        operation: &'static str,
        method: Method,
        words: &[&str],
    ) -> Result<Call, ClientError> {
        Call::new(operation, method, self.hub().as_str(), words)
    }
}
