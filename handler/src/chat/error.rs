use std::borrow::Cow;
use std::time::Duration;

use crate::model::InvalidId;
use crate::ports::{LogError, ModeratorError, QueueError, Refusal, StoreError, TransportError};

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

    pub fn unavailable(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Unavailable { retry_after: RETRY_AFTER }, code, message)
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

    pub fn room_not_found() -> Self {
        Self::not_found("room_not_found", "There is no such room.")
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

    /// Whether waiting and asking again may help.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self.kind, Kind::Unavailable { .. })
    }
}

impl From<StoreError> for Refused {
    /// The details stay here: they go to the log, not to the caller.
    fn from(error: StoreError) -> Self {
        tracing::warn!(error = &error as &dyn std::error::Error, "the store did not answer");
        Self::unavailable("store_unavailable", "The store does not answer. Try again.")
    }
}

impl From<TransportError> for Refused {
    fn from(error: TransportError) -> Self {
        tracing::warn!(error = &error as &dyn std::error::Error, "the transport did not answer");
        Self::unavailable("transport_unavailable", "The live service does not answer. Try again.")
    }
}

impl From<ModeratorError> for Refused {
    fn from(error: ModeratorError) -> Self {
        tracing::warn!(error = &error as &dyn std::error::Error, "the moderator did not answer");
        let ModeratorError::Unavailable { retry_after, .. } = error;
        let retry_after = retry_after.unwrap_or(RETRY_AFTER);
        let sentence = "Nobody can judge the text at the moment. Try again.";
        Self::new(Kind::Unavailable { retry_after }, "moderator_unavailable", sentence)
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
                tracing::warn!(error = source.as_ref() as &dyn std::error::Error, "the queue did not answer");
                let retry_after = retry_after.unwrap_or(RETRY_AFTER);
                Self::new(
                    Kind::Unavailable { retry_after },
                    "queue_unavailable",
                    "The queue does not take messages at the moment. Try again.",
                )
            }
        }
    }
}
