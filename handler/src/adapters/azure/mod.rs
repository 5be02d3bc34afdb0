//! Azure's services. The Azure crates are named in this folder alone, so that their successors replace one folder.

mod blob;
mod bus_law;
mod connection_string;
mod credential;
mod http;
mod pairs;
mod sas;
mod service_bus;
#[cfg(test)]
mod service_bus_tests;
pub mod table;
mod token_uses;
mod web_pubsub;
mod wire;

pub use blob::BlobAttachments;
pub use connection_string::{BusAccess, BusHost, ConnectionString, ConnectionStringError};
pub use credential::{Identity, NoToken, Token};
pub use http::{Http, HttpUnavailable};
pub use service_bus::{BusEntities, ServiceBus};
pub use web_pubsub::WebPubSub;
