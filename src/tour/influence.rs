//! The influence experiment: the change in a target word's log-probability when a distant source word
//! changes.

use std::collections::BTreeMap;

use super::run::RunModel;
use super::words::find_word;
use crate::capture::Capture;
use crate::engine::RunOptions;
use crate::error::Result;

/// An experiment over sentences in which a word and the word that depends on it stand further and further
/// apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Influence {
    /// Models to compare.
    pub models: Vec<String>,
    /// Source word from which the distance to the changed word is counted.
    pub near: String,
    /// Sentences.
    pub cases: Vec<Case>,
}

/// One sentence of the experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Nominal distance in tokens; cases of the same distance are averaged.
    pub distance: usize,
    /// Source text.
    pub source: String,
    /// Source text with the distant word changed.
    pub changed: String,
    /// Target word whose log-probability is compared; the decoder is forced to produce it.
    pub target: String,
}

/// Results of the experiment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plot {
    /// Distances in tokens, in ascending order.
    pub distances: Vec<usize>,
    /// One series per model.
    pub series: Vec<Series>,
}

/// Results of one model.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Name of the model.
    pub model: String,
    /// Mean drop in log-probability at each distance, in nats.
    pub drops: Vec<f64>,
}

impl Plot {
    /// Returns the largest drop, or 0 if there is none.
    pub fn largest(&self) -> f64 {
        self.series.iter().flat_map(|series| &series.drops).copied().fold(0.0, f64::max)
    }
}

/// Runs the experiment.
///
/// The outer error is that of a model run, the inner one says what is wrong with the experiment.
pub(super) fn measure(
    influence: &Influence,
    run_model: RunModel,
) -> Result<std::result::Result<Plot, String>> {
    let mut distances: Vec<usize> = influence.cases.iter().map(|case| case.distance).collect();
    distances.sort_unstable();
    distances.dedup();
    let mut plot = Plot { distances, series: Vec::new() };
    for model in &influence.models {
        let mut drops: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for case in &influence.cases {
            let mut log_probability = |source: &str| {
                let run = RunOptions {
                    source: source.to_string(),
                    target: Some(case.target.clone()),
                    ..RunOptions::default()
                };
                Ok::<_, crate::error::Error>(word_log_probability(&*run_model(model, &run)?, &case.target))
            };
            let (original, changed) = (log_probability(&case.source)?, log_probability(&case.changed)?);
            match (original, changed) {
                (Some(original), Some(changed)) => {
                    drops.entry(case.distance).or_default().push(original - changed);
                }
                _ => return Ok(Err(format!("the target has no word '{}'", case.target))),
            }
        }
        let mean = |drops: &Vec<f64>| drops.iter().sum::<f64>() / drops.len().max(1) as f64;
        plot.series.push(Series { model: model.clone(), drops: drops.values().map(mean).collect() });
    }
    Ok(Ok(plot))
}

/// Returns the log-probability of a target word in nats, summed over its tokens.
fn word_log_probability(capture: &Capture, word: &str) -> Option<f64> {
    let rows = find_word(&capture.target.items, word)?;
    let probabilities = capture.predictions.get(rows)?;
    Some(probabilities.iter().map(|p| f64::from(p.probability.max(f32::MIN_POSITIVE)).ln()).sum())
}

/// Returns the distance between the changed word and the near one in a model's own tokens: from the first
/// token in which the two sources differ to the first token of the near word.
pub fn distance(source: &Capture, changed: &Capture, near: &str) -> Option<usize> {
    let pairs = source.source.items.iter().zip(&changed.source.items);
    let changed = pairs.enumerate().find(|(_, (a, b))| a != b)?.0;
    find_word(&source.source.items, near).map(|near| near.start.abs_diff(changed))
}
