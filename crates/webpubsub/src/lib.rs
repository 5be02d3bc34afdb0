//! Web PubSub for Rust: the wire protocol of Azure Web PubSub, and a client of its REST API.
//!
//! What a service, a client, an application server and an event handler say to each other, as plain values:
//!
//! * frames of the JSON subprotocols: [`client_frame`], [`server_frame`], [`payload`], [`close`], [`subprotocol`]
//! * access: [`token`], [`key`], [`connection_string`], [`roles`], [`names`]
//! * the event handler's side: [`cloud_events`], [`connect_event`], [`validation`]
//! * with the feature `client`, the application server's side: `client`, which is the only part that does I/O
//!
//! Everywhere else time is a parameter (seconds since the Unix epoch), nothing is read from a socket, and the depth to which
//! a parser follows its input is bounded. The transcripts in `tests/fixtures/webpubsub` of the repository decide what is accepted.

#[cfg(feature = "client")]
pub mod client;
pub mod client_frame;
pub mod close;
pub mod cloud_events;
pub mod connect_event;
pub mod connection_string;
mod json;
pub mod key;
pub mod metadata;
pub mod multimap;
pub mod names;
pub mod payload;
pub mod roles;
pub mod server_frame;
pub mod subprotocol;
pub mod token;
pub mod validation;
