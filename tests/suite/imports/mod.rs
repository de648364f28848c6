//! Import graph of the crate's source files, read from their text.
//!
//! A name that a module re-exports counts for the file that defines it, so that neither a wall nor a circle
//! hides behind a `pub use`. Code under `#[cfg(test)]` is left out.

mod graph;
mod module;
pub mod tokens;

pub use graph::{Edges, Graph, circles};
