//! A table of all heads with their metrics.

pub mod columns;
mod draw;
mod drawing;
pub mod rows;
pub mod state;
mod update;
