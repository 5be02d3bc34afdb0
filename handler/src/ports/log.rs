use async_trait::async_trait;

use super::StoreError;
use crate::model::{Change, ConversationId, Entry, Head, Marker, MessageState, Timestamp, UserId};

/// The append-only logs, one per conversation.
///
/// # Contract
/// * An `Ok` of a writing call is durable by the adapter's own standard (on disk for `file`), and visible to every
///   later call.
/// * `seq` counts 1, 2, 3 … per conversation without gaps, `number` likewise over messages alone, whatever callers do
///   at once; readers never see entry n + 1 without entry n.
/// * Every call may be repeated after an error. Repeating an `append` whose entries carry markers has no second effect.
#[async_trait]
pub trait Log: Send + Sync {
    /// Makes the conversation's head, or opens a closed one, which goes on counting. Changes nothing when it is open.
    async fn open(&self, conversation: &ConversationId) -> Result<Head, StoreError>;

    /// Appends the entries in their order, all or none. The outcomes stand in the same order. An adapter whose transactions
    /// are bounded may write a call of more than they hold in parts, one behind the other, each all or none; what a
    /// command of the chat appends fits one.
    ///
    /// An entry whose marker is there already (from before, or earlier in this very call) changes nothing and yields
    /// [`Outcome::Duplicate`] with what the first one got. An entry that the state of its target forbids yields
    /// [`Outcome::Refused`], takes no `seq` and leaves no marker; so does a reaction or a pin that is set, or not set,
    /// already ([`Refusal::Unchanged`]). The state row of a message is written with the entry
    /// that shapes it. `RoomDeleted` closes the conversation, for what is new behind it in this call too.
    ///
    /// Never makes a head: [`LogError::NotOpen`] where there is none, [`LogError::Closed`] where it is closed (but
    /// duplicates are still answered as such when every entry of the call is one).
    async fn append(
        &self,
        conversation: &ConversationId,
        entries: Vec<NewEntry>,
    ) -> Result<Vec<Outcome>, LogError>;

    /// Where the entry with this marker stands, whatever became of the conversation since. `None` where there is none, in
    /// a conversation that was never opened too; an append that is under way may still bring it.
    async fn find(
        &self,
        conversation: &ConversationId,
        marker: &Marker,
    ) -> Result<Option<Position>, StoreError>;

    /// The head, or `None` for a conversation that was never opened.
    async fn head(&self, conversation: &ConversationId) -> Result<Option<Head>, StoreError>;

    /// A page of messages in their present state, by ascending `seq`, with a head read not before them.
    /// `None` for a conversation that was never opened.
    async fn messages(
        &self,
        conversation: &ConversationId,
        page: Page,
        limit: usize,
    ) -> Result<Option<MessagePage>, StoreError>;

    /// The messages with these `seq`, in their present state, ascending; what is no message, or below the floor, is left out.
    async fn states(
        &self,
        conversation: &ConversationId,
        seqs: &[u64],
    ) -> Result<Vec<MessageState>, StoreError>;

    /// Entries with `seq` > `after`, ascending, at most `limit`, with a head read not before them.
    /// `None` for a conversation that was never opened.
    async fn entries(
        &self,
        conversation: &ConversationId,
        after: u64,
        limit: usize,
    ) -> Result<Option<EntryPage>, StoreError>;

    /// Raises `sent` to `seq`, clamped to the head; never lowers it. Need not be durable at once.
    async fn mark_sent(&self, conversation: &ConversationId, seq: u64) -> Result<(), StoreError>;

    /// Retention: raises `floor` to `seq` (clamped to the head) and unpins what is up to it first, then removes entries
    /// and states up to it. Head, count and markers stay. No entry tells of it: whoever follows the log knows by the floor.
    async fn trim(&self, conversation: &ConversationId, seq: u64) -> Result<(), StoreError>;

    /// Erasing a person: takes what `user` put into these entries out of them and of the states they shaped, for good.
    /// Content, attachment, names and emoji go; rows, numbers, identities and `as_of` stay, and a message without its content
    /// is a deleted one, since `now`. Entries of others are left alone, and so is what is below the floor. Works on a closed
    /// conversation too, appends nothing, and each entry with its state is all or none. Nobody is told: whoever follows the log
    /// has to be told before.
    async fn redact(
        &self,
        conversation: &ConversationId,
        user: &UserId,
        seqs: &[u64],
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Every conversation that was ever opened, by ascending id, those with id > `after`, at most `limit`. Costs about one
    /// read for each.
    async fn conversations(
        &self,
        after: Option<&ConversationId>,
        limit: usize,
    ) -> Result<Vec<ConversationId>, StoreError>;
}

/// What is to be appended.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// The command's identity. Without one, a repeat is a new entry.
    pub marker: Option<Marker>,
    /// The time to store with it.
    pub at: Timestamp,
    pub change: Change,
    /// Append it directly behind this `seq` or not at all.
    pub only_behind: Option<u64>,
}

/// Where an entry stands in its log, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub seq: u64,
    pub number: u64,
    pub at: Timestamp,
}

/// What became of one entry of an append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Appended {
        seq: u64,
        number: u64,
        at: Timestamp,
    },
    /// The marker was there: position and time are those of the first.
    Duplicate {
        seq: u64,
        number: u64,
        at: Timestamp,
    },
    Refused(Refusal),
}

/// Why the log's state forbids an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("there is no such message")]
    NoSuchMessage,
    #[error("the message is deleted")]
    MessageDeleted,
    #[error("as many messages are pinned as may be")]
    TooManyPins,
    #[error("the message has as many reactions as may be")]
    TooManyReactions,
    #[error("the message was edited as often as may be")]
    TooManyEdits,
    /// No refusal of what is wanted: a reaction or a pin is so already.
    #[error("it is so already")]
    Unchanged,
    #[error("the log has gone on")]
    GoneOn,
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    #[error("the conversation was never opened")]
    NotOpen,
    #[error("the conversation is closed")]
    Closed,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Which page; cursors are exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    Newest,
    After(u64),
    Before(u64),
}

#[derive(Clone, Debug, PartialEq)]
pub struct MessagePage {
    pub messages: Vec<MessageState>,
    pub head: Head,
}

#[derive(Clone, Debug, PartialEq)]
pub struct EntryPage {
    pub entries: Vec<Entry>,
    pub head: Head,
}
