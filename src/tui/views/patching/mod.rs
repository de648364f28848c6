//! Effects of taking activations of the shown run into a corrupt one.

mod draw;
mod drawing;
mod effects;
mod geometry;
pub mod state;
pub mod update;
