//! Attention merged over heads and layers.

mod draw;
mod shares;
pub mod state;
mod update;
