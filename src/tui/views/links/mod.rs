//! The strongest long-range links of all heads, or given links in every head.

mod draw;
pub mod effects;
pub mod pairs;
pub mod rows;
pub mod state;
mod update;

pub use update::selected_link;
