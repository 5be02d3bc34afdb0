//! The technologies behind the ports: one folder each, and in it one file per port. Adapters never import each other;
//! what several of them build on (the embedded engine, the log's rules) stands beside them.

pub mod azure;
pub mod client_tokens;
pub mod clock;
pub mod engine;
pub mod faulty;
pub mod file;
pub mod hub_key;
pub mod jwt;
mod local_links;
mod log_rules;
pub mod memory;
pub mod moderation;
pub mod queue;
mod receiving;
pub mod retrying;
mod sent_marks;
pub mod thresholds;
pub mod timed;
pub mod transport;
pub mod wrapped;

pub use local_links::LocalLinks;

#[cfg(test)]
mod log_model_tests;
