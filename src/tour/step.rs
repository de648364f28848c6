//! A parsed tour and its steps.

use std::collections::BTreeMap;

use super::influence::Influence;
use super::run::Run;
use crate::site::Kind;

/// A parsed tour.
#[derive(Clone, Debug, PartialEq)]
pub struct Tour {
    /// Title of the tour.
    pub title: String,
    /// Steps in order; never empty.
    pub steps: Vec<TourStep>,
}

impl Tour {
    /// Returns the works that the steps cite, each once, in the order of their first mention.
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

/// One step of a tour: the runs to make, the view to show, the text to fill in.
#[derive(Clone, Debug, PartialEq)]
pub struct TourStep {
    /// Heading.
    pub title: String,
    /// View shown beside the text.
    pub view: StepView,
    /// Index in `runs` of the run that is shown.
    pub show: usize,
    /// Index in `runs` of the run that it is compared with.
    pub pin: Option<usize>,
    /// Name of the head, link or row at which the view opens.
    pub at: Option<String>,
    /// True if the reader may replace every run's source with a sentence of their own.
    pub own: bool,
    /// Runs in order; never empty.
    pub runs: Vec<Run>,
    /// Heads, links, rows and counts that the text refers to, by name.
    pub lookups: BTreeMap<String, Lookup>,
    /// Experiment whose numbers the step reports.
    pub influence: Option<Influence>,
    /// Text with placeholders.
    pub text: String,
    /// Cited works.
    pub sources: Vec<String>,
}

/// View that a step opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepView {
    /// Map of one head.
    Map,
    /// Source and target as running text, shaded by weight.
    Text,
    /// Thumbnails of all heads of a kind.
    Grid,
    /// Table of head metrics.
    Heads,
    /// List of the strongest long-range links.
    Links,
    /// Attention flow through all layers.
    Flow,
    /// Maps of two runs side by side.
    Compare,
    /// Table of the runs' outputs.
    Outputs,
    /// Bar chart of the influence experiment.
    Plot,
}

/// Description of something to look up in a run's maps.
#[derive(Clone, Debug, PartialEq)]
pub enum Lookup {
    /// The head with the largest or smallest value of a metric.
    Head {
        /// Index of the run.
        run: usize,
        /// Kind of attention to search.
        kind: Kind,
        /// Layer to search; `None` searches all layers.
        layer: Option<usize>,
        /// Column of [`crate::analysis::metrics::HeadMetrics::COLUMNS`].
        metric: String,
        /// True for the largest value, false for the smallest.
        largest: bool,
    },
    /// The strongest link of at least a given distance.
    Link {
        /// Index of the run.
        run: usize,
        /// Kind of attention to search.
        kind: Kind,
        /// Minimum distance in tokens.
        distance: usize,
    },
    /// The last row that reads, or predicts, a word.
    Row {
        /// Index of the run.
        run: usize,
        /// Name of the head.
        head: String,
        /// Word to look for.
        word: String,
        /// True if the row has to predict the word, false if it has to read it.
        predicts: bool,
        /// Word whose column is reported; `None` takes the column with the largest weight.
        key: Option<String>,
    },
    /// The number of heads whose metric reaches a bound.
    Count {
        /// Index of the run.
        run: usize,
        /// Kind of attention to search; `None` searches all.
        kind: Option<Kind>,
        /// Column of [`crate::analysis::metrics::HeadMetrics::COLUMNS`].
        metric: String,
        /// Smallest value that counts.
        least: f32,
    },
}
