//! The strongest long-range links of all heads.

mod draw;
pub mod rows;
pub mod state;
mod update;
