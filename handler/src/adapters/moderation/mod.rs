//! Judges of what may be published: one in this process, and what combines several.

mod combined;
mod fold;
mod links;
mod list;
mod local;
mod spam;
mod words;

pub use combined::{Both, Lenient, OnFailure};
pub use local::LocalModerator;
