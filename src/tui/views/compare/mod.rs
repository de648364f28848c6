//! Two captures side by side.

mod draw;
mod drawing;
mod geometry;
pub mod largest;
pub mod maps;
pub mod rows;
pub mod state;
mod update;
