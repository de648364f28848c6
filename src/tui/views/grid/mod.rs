//! Every head of a kind as thumbnails.

mod draw;
pub mod state;
mod update;
