//! An open scan: every head's distribution of a metric over the sentences, and the sentences in which the
//! selected head has its strongest links.

mod draw;
mod request;
mod rows;
pub mod state;
mod update;

pub use request::{elsewhere, open, request, take};
