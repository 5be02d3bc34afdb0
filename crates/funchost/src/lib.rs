#![doc = include_str!("../README.md")]

mod broker;
mod config;
mod control;
mod envelope;
mod host;
mod http;
mod invoke;
mod options;
mod process;
mod routes;
mod timer;
mod wiring;
mod world;

pub use broker::{Broker, BrokerError, BrokerOptions, EntityStatus, Message, SendError, Stored};
pub use config::{ConfigErrors, Settings};
pub use control::{DeadLetter, FunctionStatus, Status};
pub use host::FuncHost;
pub use http::HttpMode;
pub use options::{Options, StartError};
