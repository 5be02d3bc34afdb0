//! placeholder

pub mod filter;
