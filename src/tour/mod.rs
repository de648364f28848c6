//! A guided tour: steps with a text, the models that each step runs, and numbers that are computed while it
//! is told. Parsing, the numbers and the text are here; who runs the models is handed in ([`play()`]).
//!
//! `assets/tour/README.md` documents the format of a tour's file.

mod influence;
mod parse;
mod play;
mod template;
mod values;

pub use influence::{Case, Influence, Plot, Series, distance};
pub use parse::{built_in, parse};
pub use play::{Played, Spot, play};
pub use template::{Weight, plain, spans};
pub use values::mean_probability;

use std::collections::BTreeMap;

use crate::engine::RunOptions;
use crate::site::Kind;

/// A whole tour.
#[derive(Clone, Debug, PartialEq)]
pub struct Tour {
    /// What it is called.
    pub title: String,
    /// Its steps, in order; never empty.
    pub steps: Vec<Step>,
}

impl Tour {
    /// The works that its steps rest on, in the order of their first mention.
    pub fn sources(&self) -> Vec<&str> {
        let mut all: Vec<&str> = Vec::new();
        for source in self.steps.iter().flat_map(|step| &step.sources) {
            if !all.contains(&source.as_str()) {
                all.push(source);
            }
        }
        all
    }
}

/// One step: what to run, what to look at, what to say.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its heading.
    pub title: String,
    /// What the screen shows beside the text.
    pub picture: Picture,
    /// The run that is shown: an index of `runs`.
    pub show: usize,
    /// The run that it is compared with.
    pub pin: Option<usize>,
    /// The named head, link or row at which the picture opens.
    pub at: Option<String>,
    /// Whether the reader may put a sentence of their own in the place of every source.
    pub own: bool,
    /// What is run, in order; never empty.
    pub runs: Vec<Run>,
    /// Heads, links, rows and counts by name: what the text may speak of.
    pub finds: BTreeMap<String, Find>,
    /// The experiment, where there is one.
    pub influence: Option<Influence>,
    /// The text, with placeholders.
    pub text: String,
    /// The works that it rests on.
    pub sources: Vec<String>,
}

/// What a step shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Picture {
    /// One head's map.
    Map,
    /// Source and target as paragraphs.
    Text,
    /// Every head of a kind.
    Grid,
    /// The table of heads.
    Heads,
    /// The strongest far links.
    Links,
    /// Attention through all layers.
    Flow,
    /// Two runs side by side.
    Compare,
    /// What each run says.
    Outputs,
    /// The experiment's numbers.
    Plot,
}

/// One run of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// What the text calls it.
    pub name: String,
    /// The model.
    pub model: String,
    /// The encoder's text.
    pub source: String,
    /// The decoder's text; `None`: generated.
    pub target: Option<String>,
    /// Beams; `None`: the model's own.
    pub beams: Option<usize>,
}

impl Run {
    /// For the engine; `own` takes the place of the source, and of a forced target.
    pub fn options(&self, own: Option<&str>) -> RunOptions {
        RunOptions {
            source: own.unwrap_or(&self.source).to_string(),
            target: self.target.clone().filter(|_| own.is_none()),
            beams: self.beams,
            ..RunOptions::default()
        }
    }
}

/// Something in a run's maps that is found by its numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Find {
    /// The head with the largest or smallest value of a metric.
    Head {
        /// The run, an index.
        run: usize,
        /// Among the heads of this kind.
        kind: Kind,
        /// And of this layer.
        layer: Option<usize>,
        /// A name of [`crate::analysis::metrics::HeadMetrics::COLUMNS`].
        metric: String,
        /// The largest, else the smallest.
        largest: bool,
    },
    /// The strongest link between words at least so far apart.
    Link {
        /// The run, an index.
        run: usize,
        /// Among the maps of this kind.
        kind: Kind,
        /// Least distance in tokens.
        distance: usize,
    },
    /// The first row that reads, or predicts, a word.
    Row {
        /// The run, an index.
        run: usize,
        /// The name of a head.
        head: String,
        /// The word.
        word: String,
        /// Whether the row predicts the word; else it reads it.
        predicts: bool,
        /// The key of interest; `None`: the strongest.
        key: Option<String>,
    },
    /// How many heads pass a bound.
    Count {
        /// The run, an index.
        run: usize,
        /// Among the heads of this kind; `None`: of all.
        kind: Option<Kind>,
        /// A name of [`crate::analysis::metrics::HeadMetrics::COLUMNS`].
        metric: String,
        /// The bound: at least this.
        least: f32,
    },
}
