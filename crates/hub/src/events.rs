//! What an application hears from its clients: the event handler's side of a hub.
//!
//! An application in the same process and an HTTP upstream are both an [`EventHandler`].

use async_trait::async_trait;
use http::StatusCode;
use webpubsub::connect_event::ConnectRequest;
use webpubsub::metadata::Metadata;
use webpubsub::names::HubName;
use webpubsub::payload::Payload;
use webpubsub::server_frame::RequestError;

/// Handles the events of one hub or of all.
///
/// Per connection the calls come in this order: `connect` once; if it let the client in, `connected` once the client
/// is there, `user_event` one at a time, and in the end always `disconnected`, even when the client never arrived
/// (then without `connected`). Whom `connect` refused, or let in by an answer that cannot be carried out, nothing more
/// is heard of. `connected` may still be running while the first `user_event` is handled; `disconnected` waits for
/// both. A recovery raises no event. Different connections are handled concurrently.
#[async_trait]
pub trait EventHandler: Send + Sync {
    /// A client wants to connect; it waits for the answer. Runs to its end even if the client goes away meanwhile.
    ///
    /// An answer that cannot be carried out (roles beyond the limits, a name that no group can have) is taken for a
    /// refusal with 500, and no `disconnected` follows it.
    ///
    /// # Errors
    /// The client's upgrade is refused with the given status.
    async fn connect(&self, event: ConnectEvent) -> Result<ConnectAnswer, ConnectRefused>;

    /// The client is in.
    async fn connected(&self, context: EventContext);

    /// The connection is over and will not come back. `reason` is empty when a client closed without giving one.
    async fn disconnected(&self, context: EventContext, reason: String);

    /// An event or invocation of a client, or a frame of a simple client (event `message`). The client's later
    /// requests wait for the answer.
    ///
    /// # Errors
    /// The client's ack or invocation fails with the given error; a simple client is closed with 1011.
    async fn user_event(&self, event: UserEvent) -> Result<UserEventAnswer, EventFailed>;
}

/// Whose event it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventContext {
    pub hub: HubName,
    /// 32 lower-case hexadecimal digits.
    pub connection_id: String,
    /// `None` for an anonymous connection; may be empty.
    pub user_id: Option<String>,
    /// The subprotocol the client was given; `None` on connect, and for a client that got none.
    pub subprotocol: Option<String>,
    /// What the handler last stored with the connection.
    pub state: Option<String>,
    /// Counts the events of this connection: 0 for connect.
    pub event_id: u64,
}

/// A client at the door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectEvent {
    pub context: EventContext,
    /// Claims (long and short names), the query without the access token, headers without `Authorization` (standard
    /// names in their usual capitals, others in lower case), and the subprotocols that the client offers.
    pub request: ConnectRequest,
}

/// How a connection is let in. The default leaves everything as the token says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectAnswer {
    /// Replaces the user id; may be empty.
    pub user_id: Option<String>,
    /// Replaces the groups to join, unless it is empty.
    pub groups: Vec<String>,
    /// Replaces the roles, also when it is an empty list.
    pub roles: Option<Vec<String>>,
    /// Chooses the subprotocol; it is sent even if the client did not offer it.
    pub subprotocol: Option<String>,
    /// Sets the connection's state.
    pub state: Option<String>,
}

/// A connection is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectRefused {
    /// The status of the upgrade's answer; anything that is not 4xx or 5xx is sent as 500.
    pub status: StatusCode,
    /// In how many seconds it is worth trying again: `Retry-After`.
    pub retry_after: Option<u64>,
    /// The body.
    pub body: String,
    /// Whether the body is JSON; otherwise it is plain text.
    pub is_json: bool,
}

impl ConnectRefused {
    /// With the body the service sends.
    #[must_use]
    pub fn new(status: StatusCode) -> Self {
        Self::with_text(status, "The connect event handler rejected the connection.".to_owned())
    }

    pub(crate) const fn with_text(status: StatusCode, body: String) -> Self {
        Self { status, retry_after: None, body, is_json: false }
    }
}

/// How a client wants to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `event`, or a frame of a simple client: a payload in the answer becomes a message from the server.
    Message,
    /// `invoke`: the answer becomes the invocation's response.
    Invocation,
}

/// What a client sent to the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserEvent {
    pub context: EventContext,
    /// The event's name as the client wrote it.
    pub name: String,
    pub payload: Payload,
    pub metadata: Metadata,
    pub reply: Reply,
}

/// The answer to an event. The default says that it succeeded and nothing more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserEventAnswer {
    /// Goes to the client: before the ack of an event, as the data of an invocation's response.
    pub payload: Option<Payload>,
    /// Goes with the payload; alone, it makes an empty text. Not part of an invocation's response.
    pub metadata: Metadata,
    /// Replaces the connection's state.
    pub state: Option<String>,
}

/// An event failed. The client is told this error; [`EventFailed::default`] is the service's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFailed(pub RequestError);

impl Default for EventFailed {
    fn default() -> Self {
        Self(RequestError::internal())
    }
}
