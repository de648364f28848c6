//! A table of all heads with their metrics.

mod draw;
mod drawing;
pub mod rows;
pub mod state;
mod update;
