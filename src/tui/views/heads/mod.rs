//! A table of all heads with their metrics.

mod draw;
pub mod rows;
pub mod state;
mod update;
