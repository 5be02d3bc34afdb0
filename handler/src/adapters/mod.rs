//! The ports, implemented. One folder per technology, one file per port in it; adapters do not know each other.

pub mod clock;
pub mod faulty;
mod log_rules;
pub mod memory;
