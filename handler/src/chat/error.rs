use std::borrow::Cow;
use std::time::Duration;

use crate::model::InvalidId;
use crate::ports::{LogError, ModeratorError, QueueError, Refusal, StoreError, TransportError, reasons};

/// Why a use case did not do what was asked. `code` is stable and for programs, `message` a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    pub kind: Kind,
    pub code: &'static str,
    pub message: Cow<'static, str>,
    /// The input's field at fault, by the name the documentation gives it.
    pub field: Option<&'static str>,
}

/// What sort of answer a caller gets; a transport of requests maps each to one status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Invalid,
    TooLarge,
    Unauthenticated,
    Forbidden,
    NotFound,
    Conflict,
    /// Too much in too little time. Nothing has happened; after this time there is a token again.
    Limited {
        retry_after: Duration,
    },
    /// Something we depend on does not answer. Nothing is known to have happened; a repeat with the same id is safe.
    Unavailable {
        retry_after: Duration,
    },
}

/// What a caller is told to wait when no dependency named a time.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Refused {
    fn new(kind: Kind, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, code, message: message.into(), field: None }
    }

    pub fn invalid(code: &'static str, field: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { field: Some(field), ..Self::new(Kind::Invalid, code, message) }
    }

    /// The input as a whole cannot be read.
    pub fn malformed(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Invalid, code, message)
    }

    pub fn too_large(code: &'static str, field: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { field: Some(field), ..Self::new(Kind::TooLarge, code, message) }
    }

    pub fn unauthenticated(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Unauthenticated, "unauthenticated", message)
    }

    pub fn forbidden(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Forbidden, code, message)
    }

    pub fn not_found(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::NotFound, code, message)
    }

    pub fn conflict(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Conflict, code, message)
    }

    /// `of` says whose limit it is: `user`, `room`, `address` or `connection`.
    pub fn rate_limited(of: &'static str, retry_after: Duration) -> Self {
        let message = match of {
            "room" => "The room takes no more for the moment. Wait, and try again.",
            _ => "That was too much in too little time. Wait, and try again.",
        };
        Self { field: Some(of), ..Self::new(Kind::Limited { retry_after }, "rate_limited", message) }
    }

    pub fn unavailable(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::unavailable_for(None, code, message)
    }

    /// What we depend on may have named the time after which it wants to be asked again.
    fn unavailable_for(
        asked: Option<Duration>,
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(Kind::Unavailable { retry_after: asked.unwrap_or(RETRY_AFTER) }, code, message)
    }

    /// The same answer for every id that breaks its bounds.
    pub fn bad_id(field: &'static str, error: &InvalidId) -> Self {
        let code = match error {
            InvalidId::Empty => "missing_field",
            InvalidId::TooLong { .. } => "too_long",
            _ => "invalid_id",
        };
        Self::invalid(code, field, format!("{field} {error}."))
    }

    pub(super) fn store_unavailable(asked: Option<Duration>) -> Self {
        Self::unavailable_for(asked, "store_unavailable", "The store does not answer. Try again.")
    }

    pub(super) fn moderator_unavailable(error: &ModeratorError) -> Self {
        let sentence = "Nobody can judge the text at the moment. Try again.";
        Self::unavailable_for(error.retry_after(), "moderator_unavailable", sentence)
    }

    pub(super) fn transport_unavailable(asked: Option<Duration>) -> Self {
        let sentence = "The live service does not answer. Try again.";
        Self::unavailable_for(asked, "transport_unavailable", sentence)
    }

    pub fn room_not_found() -> Self {
        Self::not_found("room_not_found", "There is no such room.")
    }

    pub fn attachment_not_found() -> Self {
        Self::not_found("attachment_not_found", "There is no such file.")
    }

    pub fn not_uploaded() -> Self {
        Self::conflict("not_uploaded", "The file is not stored yet.")
    }

    pub fn no_attachments() -> Self {
        Self::not_found("no_attachments", "This server takes no files.")
    }

    pub fn message_not_found() -> Self {
        Self::not_found("message_not_found", "There is no such message.")
    }

    pub fn message_deleted() -> Self {
        Self::conflict("message_deleted", "The message is deleted.")
    }

    pub fn admins_only() -> Self {
        Self::forbidden("admins_only", "Only the deployment's admins may do this.")
    }

    pub fn not_the_author() -> Self {
        Self::forbidden("not_the_author", "Only who wrote the message may do this.")
    }

    /// How long to wait, where that may help: in whole seconds, and never 0, which would mean "at once".
    #[must_use]
    pub fn retry_after_secs(&self) -> Option<u64> {
        match self.kind {
            Kind::Limited { retry_after } | Kind::Unavailable { retry_after } => {
                Some(retry_after.as_millis().div_ceil(1_000).max(1).try_into().unwrap_or(u64::MAX))
            }
            _ => None,
        }
    }

    #[must_use]
    pub const fn is_limited(&self) -> bool {
        matches!(self.kind, Kind::Limited { .. })
    }

    /// Whether waiting and asking again may help.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self.kind, Kind::Unavailable { .. })
    }

    /// Whether the same call, later, may be done all the same.
    pub(super) fn may_be_repeated(&self) -> bool {
        matches!(self.kind, Kind::Unavailable { .. } | Kind::Limited { .. })
    }
}

impl From<StoreError> for Refused {
    /// The details stay here: they go to the log, not to the caller.
    fn from(error: StoreError) -> Self {
        tracing::warn!(error = reasons(&error), "the store did not answer");
        Self::store_unavailable(error.retry_after())
    }
}

impl From<TransportError> for Refused {
    fn from(error: TransportError) -> Self {
        tracing::warn!(error = reasons(&error), "the transport did not answer");
        Self::transport_unavailable(error.retry_after())
    }
}

impl From<ModeratorError> for Refused {
    fn from(error: ModeratorError) -> Self {
        tracing::warn!(error = reasons(&error), "the moderator did not answer");
        Self::moderator_unavailable(&error)
    }
}

impl From<LogError> for Refused {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Store(error) => error.into(),
            _ => Self::room_not_found(),
        }
    }
}

/// The log's own word on a change of a message.
impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoSuchMessage => Self::message_not_found(),
            Refusal::MessageDeleted => Self::message_deleted(),
            Refusal::TooManyPins => {
                Self::conflict("too_many_pins", "As many messages are pinned as may be. Unpin another first.")
            }
            Refusal::TooManyReactions => {
                Self::conflict("too_many_reactions", "The message has as many reactions as may be.")
            }
            Refusal::TooManyEdits => {
                Self::conflict("too_many_edits", "The message was edited as often as may be.")
            }
            // Whoever sets what is set has what they want, and hears no refusal.
            Refusal::Unchanged => Self::conflict("refused", "It is so already."),
            // Asked for by those alone who try again.
            Refusal::GoneOn => Self::unavailable("room_is_busy", "The room goes on meanwhile. Try again."),
        }
    }
}

impl From<QueueError> for Refused {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::TooLarge { limit } => Self::new(
                Kind::TooLarge,
                "message_too_large",
                format!("The message is larger than the queue's {limit} bytes."),
            ),
            QueueError::Unavailable { retry_after, ref source } => {
                tracing::warn!(error = reasons(source.as_ref()), "the queue did not answer");
                let sentence = "The queue does not take messages at the moment. Try again.";
                Self::unavailable_for(retry_after, "queue_unavailable", sentence)
            }
        }
    }
}
