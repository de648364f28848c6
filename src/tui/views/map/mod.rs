//! One head as a heatmap.

pub mod draw;
mod drawing;
pub mod edit;
mod geometry;
mod side;
pub mod state;
mod strip;
mod update;
