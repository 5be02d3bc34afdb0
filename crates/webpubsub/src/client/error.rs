use std::fmt;
use std::time::Duration;

use http::StatusCode;

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The call cannot be made as it was asked for; nothing was sent.
    Invalid,
    /// There was no token to show.
    NoToken,
    /// 401.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 404.
    NotFound,
    /// 409.
    Conflict,
    /// 413, or a message that was too large to be sent.
    TooLarge,
    /// 429.
    Throttled,
    /// Another 4xx, or a redirect.
    Refused,
    /// 408 or 5xx.
    ServerTrouble,
    /// No connection, or it broke.
    Unreachable,
    /// No answer in time.
    TimedOut,
    /// An answer that is not what the API documents.
    BadAnswer,
}

impl ErrorKind {
    pub(super) fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            408 | 500..=599 => Self::ServerTrouble,
            409 => Self::Conflict,
            413 => Self::TooLarge,
            429 => Self::Throttled,
            _ => Self::Refused,
        }
    }

    /// Whether the same call may succeed later without anybody changing anything.
    #[must_use]
    pub fn is_passing(self) -> bool {
        matches!(self, Self::Throttled | Self::ServerTrouble | Self::Unreachable | Self::TimedOut)
    }

    /// What whoever runs the program can do.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::Invalid => "The call has to be changed.",
            Self::NoToken => "Look at the identity: the cause says what it lacks.",
            Self::Unauthorized => {
                "The access key, the endpoint or this machine's clock is wrong, or access keys are switched off."
            }
            Self::Forbidden => {
                "The identity needs the role `Web PubSub Service Owner` on the Web PubSub resource; an assignment takes \
                 minutes to take effect. The resource's network rules may forbid this machine, too."
            }
            Self::NotFound => "What the call is about is not there.",
            Self::Conflict => "The connection has all the grants it can have.",
            Self::TooLarge => "A message has at most 1 MiB.",
            Self::Throttled => {
                "More is asked than the service's units allow: ask less often, or give it more units."
            }
            Self::Refused => "The service finds a mistake in the call; a repeat would not help.",
            Self::ServerTrouble => "The service is in trouble; its status page and the request id help.",
            Self::Unreachable => "Look at the endpoint, the network and the service's network rules.",
            Self::TimedOut => {
                "The service did not answer in time; look at the network and the service's load."
            }
            Self::BadAnswer => "Something that is not Web PubSub may stand at the endpoint.",
        }
    }
}

/// A call failed, for all its tries. It shows no token and no URL.
#[derive(Debug)]
pub struct ClientError(Box<Details>);

#[derive(Debug)]
struct Details {
    kind: ErrorKind,
    operation: &'static str,
    /// In the words of the service, or of what went wrong here.
    message: String,
    status: Option<StatusCode>,
    code: Option<String>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ClientError {
    pub(super) fn new(operation: &'static str, kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Details {
            kind,
            operation,
            message: message.into(),
            status: None,
            code: None,
            request_id: None,
            retry_after: None,
            source: None,
        }))
    }

    pub(super) fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(super) fn with_status(mut self, status: StatusCode, code: Option<String>) -> Self {
        self.0.status = Some(status);
        self.0.code = code;
        self
    }

    pub(super) fn with_request_id(mut self, id: String) -> Self {
        self.0.request_id = Some(id);
        self
    }

    pub(super) fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.0.retry_after = wait;
        self
    }

    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The answer's status, if there was an answer.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.0.status
    }

    /// The service's name for the mistake, such as `Error.BadRequest`.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The service's id of the request, or else the one it was sent with; support asks for it.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// When the service wants to be asked again.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Details { kind, operation, message, status, code, request_id, .. } = &*self.0;
        write!(f, "Web PubSub, {operation}: ")?;
        if let Some(status) = status {
            write!(f, "answered {}", status.as_u16())?;
            if let Some(code) = code {
                write!(f, " {code}")?;
            }
            if !message.is_empty() {
                f.write_str(": ")?;
            }
        }
        f.write_str(message.trim_end_matches('.'))?;
        write!(f, ". {}", kind.advice())?;
        match request_id {
            Some(id) => write!(f, " (request {id})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let source = self.0.source.as_deref();
        source.map(|source| source as &(dyn std::error::Error + 'static))
    }
}
