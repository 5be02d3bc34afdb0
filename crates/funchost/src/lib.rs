//! A double of the Azure Functions host, for tests and local runs of custom handlers.
//!
//! [`FuncHost::start`] reads a real app folder, starts the real executable as the host does, and then is its only
//! caller: HTTP requests, Service Bus messages from a broker of its own, timers. The README beside this crate says what
//! it equals and where it differs on purpose.

mod broker;
mod config;
mod control;
mod envelope;
mod host;
mod http;
mod invoke;
mod process;
mod routes;
mod timer;
mod world;

pub use broker::{Broker, BrokerError, BrokerOptions, EntityStatus, Message, SendError, Stored};
pub use config::{ConfigErrors, Settings};
pub use control::{DeadLetter, FunctionStatus, Status};
pub use host::{FuncHost, Options, StartError};
pub use http::HttpMode;
