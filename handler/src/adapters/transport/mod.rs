//! The live side.

mod embedded;

pub use embedded::EmbeddedHub;
