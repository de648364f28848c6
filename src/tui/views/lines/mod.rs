//! Queries and keys as two columns of tokens, joined by lines as strong as their weights.

mod draw;
mod drawing;
mod geometry;
pub mod links;
pub mod state;
mod update;
