//! The technologies behind the ports, one folder each. Adapters never import each other; what several of them build on
//! (the embedded engine, the Azure clients) has a folder of its own.

pub mod engine;
pub mod queue;
