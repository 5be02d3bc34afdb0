//! Whom a call of the data plane is about, and what it sends.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use webpubsub::metadata::Metadata;
use webpubsub::payload::Payload;

/// A set of connections of one hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    All,
    /// The members of a group; its name is compared with case.
    Group(&'a str),
    /// All connections of a user.
    User(&'a str),
    /// One connection by its id.
    Connection(&'a str),
}

/// Narrows a [`Target`]. The default takes all of it.
#[derive(Clone, Copy, Default)]
pub struct Selection<'a> {
    /// Ids of connections that are left out.
    pub excluded: &'a [String],
    /// Only connections for which it is true. It must be quick and must not call the hub.
    pub filter: Option<&'a (dyn Fn(&Subject<'_>) -> bool + Sync)>,
    /// How long a message may wait for a reliable connection that has no socket; `None` or zero sets no limit.
    /// Only `send` heeds it.
    pub ttl: Option<Duration>,
}

/// A connection as a filter sees it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub connection_id: &'a str,
    pub user_id: Option<&'a str>,
    /// The subprotocol the client was given.
    pub protocol: Option<&'a str>,
    groups: &'a HashSet<Arc<str>>,
}

impl<'a> Subject<'a> {
    #[must_use]
    pub fn new(
        connection_id: &'a str,
        user_id: Option<&'a str>,
        protocol: Option<&'a str>,
        groups: &'a HashSet<Arc<str>>,
    ) -> Self {
        Self { connection_id, user_id, protocol, groups }
    }

    #[must_use]
    pub fn in_group(&self, group: &str) -> bool {
        self.groups.contains(group)
    }

    /// In no particular order.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = &'a str> {
        self.groups.iter().map(|group| &**group)
    }
}

/// A message of the application. To a group it arrives as from that group, without a user; otherwise as from the
/// server. Simple clients get the payload alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutMessage {
    pub payload: Payload,
    pub metadata: Metadata,
}

impl OutMessage {
    /// Without metadata.
    #[must_use]
    pub fn new(payload: Payload) -> Self {
        Self { payload, metadata: Metadata::default() }
    }
}

/// A member of a group, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionInfo {
    pub connection_id: String,
    pub user_id: Option<String>,
}

/// Why a permission could not be granted, taken or looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PermissionError {
    #[error("the hub has no such connection")]
    NoConnection,
    #[error("the connection has too many grants")]
    TooMany,
}
