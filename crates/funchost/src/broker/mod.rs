//! A Service Bus of our own: durable queues and topics, filled by the REST send call and pumped to the triggers.

mod entity;
mod journal;
mod message;
pub(crate) mod pump;
pub(crate) mod rest;
mod sas;
mod store;

pub(crate) use entity::Delivery;
pub use message::{Message, Stored};
pub(crate) use sas::ConnectionString;
pub use store::{Broker, BrokerError, BrokerOptions, EntityStatus, SendError};
