//! The embedded hub: Azure Web PubSub in process, wire-compatible with the service.
//!
//! [`Hub`] is all an application needs: [`Hub::router`] serves clients, [`EventHandler`] hears them, and the calls on
//! [`Hub`] reach them. How a message travels: a client's frame is decoded in its `session`, understood in
//! `requests`, encoded once, handed to every member's `outbox`, and written by the `flusher`.
//!
//! | module | what it holds |
//! |---|---|
//! | `ws` | RFC 6455, without a socket |
//! | `routes`, `request`, `accept`, `upgrade`, `recover` | the way in |
//! | `session`, `requests` | a connection's task: its life, and what its messages do |
//! | `connection`, `delivery`, `outbox`, `recovery`, `acks` | a connection's state, without a socket |
//! | `groups`, `hub`, `ops` | who is where, and what an application does to them |
//! | `flusher`, `sweep` | writing, keep-alive |
//! | `rest`, `filter` | the data plane over HTTP, and its filter |
//! | `upstream` | an event handler over HTTP |

mod accept;
mod acks;
mod connection;
mod delivery;
mod encoded;
pub mod events;
pub mod filter;
mod flusher;
mod groups;
mod hub;
mod id;
mod ops;
pub mod options;
mod outbox;
mod recover;
mod recovery;
mod request;
mod requests;
mod rest;
mod routes;
mod session;
mod sweep;
pub mod target;
mod upgrade;
pub mod upstream;
pub mod ws;

pub use events::{
    ConnectAnswer, ConnectEvent, ConnectRefused, EventContext, EventFailed, EventHandler, Reply, UserEvent,
    UserEventAnswer,
};
pub use filter::{Filter, FilterError};
pub use hub::{Hub, Stats};
pub use options::HubOptions;
pub use target::{ConnectionInfo, OutMessage, PermissionError, Selection, Subject, Target};
