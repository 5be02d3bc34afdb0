//! Azure's services. The Azure crates are named in this folder alone, so that their successors replace one folder.

mod connection_string;
mod sas;
mod service_bus;
#[cfg(test)]
mod service_bus_tests;
pub mod table;
mod wire;

pub use connection_string::{ConnectionString, ConnectionStringError};
pub use service_bus::ServiceBus;
