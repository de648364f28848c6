//! Attention merged over heads and layers.

mod draw;
pub mod state;
mod update;
