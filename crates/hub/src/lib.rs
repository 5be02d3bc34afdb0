//! The embedded hub: wire-compatible with Azure Web PubSub, in process.

pub mod events;
pub mod filter;
pub mod options;
pub mod target;
pub mod ws;

pub use events::{
    ConnectAnswer, ConnectEvent, ConnectRefused, EventContext, EventFailed, EventHandler, Reply, UserEvent,
    UserEventAnswer,
};
pub use filter::{Filter, FilterError};
pub use options::HubOptions;
pub use target::{ConnectionInfo, OutMessage, PermissionError, Selection, Subject, Target};
pub mod rest;
pub mod upstream;
