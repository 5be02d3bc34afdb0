//! The ports, each by a technology. Adapters do not know each other; `app` puts them together.

pub mod transport;
