//! Source and target as paragraphs, shaded by weights.

mod draw;
mod panels;
pub mod state;
mod update;
