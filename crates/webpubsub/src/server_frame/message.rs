//! `message` frames: the ones that are sent to many.

use bytes::Bytes;

use crate::json::ObjectWriter;
use crate::metadata::Metadata;
use crate::payload::Payload;

/// A `message` frame, encoded once and shared by all its receivers.
///
/// A plain connection sends [`MessageFrame::plain`] as it is. A reliable connection sends [`MessageFrame::prefix`] and
/// then [`MessageFrame::sequence_suffix`], which carries the number of its own. Clones share the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageFrame(Bytes);

impl MessageFrame {
    /// A message to a group. `from_user_id` is `None` when an anonymous client or the application server sent it.
    #[must_use]
    pub fn from_group(
        group: &str,
        from_user_id: Option<&str>,
        payload: &Payload,
        metadata: &Metadata,
    ) -> Self {
        let capacity = 128 + group.len() + payload.as_bytes().len();
        let mut out = ObjectWriter::with_capacity("message", capacity);
        out.raw("from", r#""group""#);
        out.string("group", group);
        out.string_or_null("fromUserId", from_user_id);
        out.content(payload, metadata);
        Self(out.finish().into())
    }

    /// A message of the application server to a connection, a user or all.
    #[must_use]
    pub fn from_server(payload: &Payload, metadata: &Metadata) -> Self {
        let mut out = ObjectWriter::with_capacity("message", 96 + payload.as_bytes().len());
        out.raw("from", r#""server""#);
        out.content(payload, metadata);
        Self(out.finish().into())
    }

    /// The whole frame for a connection without sequence numbers; UTF-8.
    #[must_use]
    pub fn plain(&self) -> Bytes {
        self.0.clone()
    }

    /// The frame up to its closing brace; UTF-8.
    #[must_use]
    pub fn prefix(&self) -> Bytes {
        self.0.slice(..self.0.len().saturating_sub(1))
    }

    /// What follows [`MessageFrame::prefix`] on a reliable connection.
    #[must_use]
    pub fn sequence_suffix(sequence_id: u64) -> String {
        format!(r#","sequenceId":{sequence_id}}}"#)
    }

    /// The whole frame for a reliable connection, in a buffer of its own.
    #[must_use]
    pub fn numbered(&self, sequence_id: u64) -> Bytes {
        let suffix = Self::sequence_suffix(sequence_id);
        [&self.prefix()[..], suffix.as_bytes()].concat().into()
    }
}
