//! The pictures of the guided tour that no other view has.

mod draw;
pub mod state;
mod update;
