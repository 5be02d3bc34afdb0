//! What is asked of a conversation's log, and what it says to it.

use std::sync::Arc;
use std::time::Duration;

use super::Refused;
use super::message::Target;
use crate::model::{RoomId, UserId};
use crate::ports::{
    ModeratorError, NewEntry, Outcome, Position, Refusal, StoreError, TransportError, reasons,
};

/// Who hears what is said in a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    Room(RoomId),
    Pair(UserId, UserId),
}

impl Audience {
    pub(super) fn of(target: &Target, sender: &UserId) -> Self {
        match target {
            Target::Room(room) => Self::Room(room.clone()),
            Target::Direct(receiver) => Self::Pair(sender.clone(), receiver.clone()),
        }
    }
}

/// An entry to append, and the connection that gets an answer instead of a copy.
#[derive(Clone, Debug)]
pub(super) struct Command {
    pub(super) entry: NewEntry,
    pub(super) excluded: Option<String>,
}

/// What the log said to one command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Stored {
        position: Position,
        duplicate: bool,
    },
    Refused(Refusal),
    /// The conversation takes no entries: its room was deleted, or never was.
    Gone,
}

/// What did not answer. Worth another try; the log drops what it has already.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("the store does not answer")]
    Store(#[source] Arc<StoreError>),
    #[error("the transport does not answer")]
    Transport(#[source] Arc<TransportError>),
    #[error("the moderator does not answer")]
    Moderator(#[source] Arc<ModeratorError>),
    #[error("the appender ended before it answered")]
    Stopped,
}

impl Failure {
    /// How long who did not answer asks to be left alone.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Store(error) => error.retry_after(),
            Self::Transport(error) => error.retry_after(),
            Self::Moderator(error) => error.retry_after(),
            Self::Stopped => None,
        }
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        tracing::warn!(error = reasons(&failure), "a request ended on a dependency");
        match failure {
            Failure::Transport(error) => Self::transport_unavailable(error.retry_after()),
            Failure::Store(error) => Self::store_unavailable(error.retry_after()),
            Failure::Moderator(error) => Self::moderator_unavailable(&error),
            Failure::Stopped => Self::store_unavailable(None),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<ModeratorError> for Failure {
    fn from(error: ModeratorError) -> Self {
        Self::Moderator(Arc::new(error))
    }
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Self {
        Self::Transport(Arc::new(error))
    }
}

/// The answer to a job whose entries are in the log.
#[derive(Debug)]
pub(super) struct Appended {
    /// One for each command, in order.
    pub(super) verdicts: Vec<Verdict>,
    /// Whether inboxes and groups have all of it.
    pub(super) reached: Result<(), Failure>,
}

impl Appended {
    /// Whether the inboxes have all of it: what they lack is for the caller to repeat. A transport that is away is tried
    /// again by the appender.
    pub(super) fn filed(&self) -> Result<(), Failure> {
        match &self.reached {
            Err(failure @ (Failure::Store(_) | Failure::Stopped)) => Err(failure.clone()),
            _ => Ok(()),
        }
    }
}

impl Verdict {
    /// 0 for what is not in the log.
    pub(super) fn seq(&self) -> u64 {
        match self {
            Self::Stored { position, .. } => position.seq,
            _ => 0,
        }
    }
}

impl From<Outcome> for Verdict {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Appended { seq, number, at } => {
                Self::Stored { position: Position { seq, number, at }, duplicate: false }
            }
            Outcome::Duplicate { seq, number, at } => {
                Self::Stored { position: Position { seq, number, at }, duplicate: true }
            }
            Outcome::Refused(refusal) => Self::Refused(refusal),
        }
    }
}
