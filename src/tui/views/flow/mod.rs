//! Attention merged over heads and layers.

mod draw;
mod drawing;
mod shares;
pub mod state;
pub mod update;
