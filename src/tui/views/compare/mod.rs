//! Two captures side by side.

mod draw;
pub mod rows;
pub mod state;
mod update;
