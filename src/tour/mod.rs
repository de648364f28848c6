//! Guided tours: steps with a text, the model runs that each step shows, and numbers computed from those
//! runs.
//!
//! A tour is parsed from Markdown ([`parse()`], [`built_in`]). [`play()`] runs a step's models through a
//! function that the caller provides, measures what the step asks for, and fills the numbers into its text.
//!
//! `docs/reference/tour.md` documents the file format.

mod front_matter;
mod influence;
mod parse;
mod play;
mod run;
mod step;
mod template;
mod values;
mod words;

pub use influence::{Case, Influence, Plot, Series, distance};
pub use parse::{built_in, parse};
pub use play::{PlayedStep, play};
pub use run::{Run, RunModel};
pub use step::{Lookup, StepView, Tour, TourStep};
pub use template::{Emphasis, plain, spans};
pub use values::{Location, mean_probability};
