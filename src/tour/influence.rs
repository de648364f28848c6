//! How much a far word matters: the output's log-probability with it, less that with another in its place.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::play::Perform;
use super::values::{Found, find_word};
use crate::capture::Capture;
use crate::engine::RunOptions;
use crate::error::Result;

/// An experiment: sentences in which a word and the word that depends on it are pushed apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Influence {
    /// The models that are compared.
    pub models: Vec<String>,
    /// The source word from which the distance to the changed word is counted.
    pub near: String,
    /// The sentences.
    pub cases: Vec<Case>,
}

/// One sentence of the experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// The distance that it stands for, in tokens; cases of one distance are averaged.
    pub distance: usize,
    /// The source.
    pub source: String,
    /// The source with the far word changed.
    pub changed: String,
    /// The word that the decoder is made to say, whose log-probability counts.
    pub target: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Front {
    models: Vec<String>,
    near: String,
    source: String,
    between: Vec<Between>,
    pair: Vec<Pair>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Between {
    distance: usize,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    word: String,
    changed: String,
    target: String,
}

impl TryFrom<Front> for Influence {
    type Error = String;

    fn try_from(front: Front) -> Found<Self> {
        if front.models.is_empty() || front.between.is_empty() || front.pair.is_empty() {
            return Err("influence needs models, between and pair".into());
        }
        for part in ["{between}", "{word}"] {
            if !front.source.contains(part) {
                return Err(format!("influence.source has no {part}"));
            }
        }
        let source = |between: &Between, word: &str| {
            front.source.replace("{between}", &between.text).replace("{word}", word)
        };
        let case = |between: &Between, pair: &Pair| Case {
            distance: between.distance,
            source: source(between, &pair.word),
            changed: source(between, &pair.changed),
            target: pair.target.clone(),
        };
        let cases =
            front.between.iter().flat_map(|between| front.pair.iter().map(move |pair| (between, pair)));
        let cases = cases.map(|(between, pair)| case(between, pair)).collect();
        Ok(Self { models: front.models, near: front.near, cases })
    }
}

/// What an experiment found: one series a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plot {
    /// The distances, rising, in tokens.
    pub distances: Vec<usize>,
    /// One a model.
    pub series: Vec<Series>,
}

/// One model's numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The model.
    pub model: String,
    /// One a distance: the mean drop of log-probability, in nats.
    pub drops: Vec<f64>,
}

impl Plot {
    /// The largest number in it.
    pub fn largest(&self) -> f64 {
        self.series.iter().flat_map(|series| &series.drops).copied().fold(0.0, f64::max)
    }
}

/// Runs the experiment.
pub(super) fn measure(influence: &Influence, perform: Perform) -> Result<Found<Plot>> {
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
                Ok::<_, crate::error::Error>(word_log_probability(&*perform(model, &run)?, &case.target))
            };
            let (with, without) = (log_probability(&case.source)?, log_probability(&case.changed)?);
            match (with, without) {
                (Some(with), Some(without)) => drops.entry(case.distance).or_default().push(with - without),
                _ => return Ok(Err(format!("'{}' is no word of the target", case.target))),
            }
        }
        let mean = |drops: &Vec<f64>| drops.iter().sum::<f64>() / drops.len().max(1) as f64;
        plot.series.push(Series { model: model.clone(), drops: drops.values().map(mean).collect() });
    }
    Ok(Ok(plot))
}

/// The log-probability of a word of the target, in nats: the sum over its pieces.
fn word_log_probability(capture: &Capture, word: &str) -> Option<f64> {
    let rows = find_word(&capture.target.tokens, word)?;
    let probabilities = capture.predictions.get(rows)?;
    Some(probabilities.iter().map(|p| f64::from(p.probability.max(f32::MIN_POSITIVE)).ln()).sum())
}

/// Tokens between the changed word and the near one, as a model's tokenizer counts them: from the first token
/// in which the two sources differ to the near word's first.
pub fn distance(source: &Capture, changed: &Capture, near: &str) -> Option<usize> {
    let pairs = source.source.tokens.iter().zip(&changed.source.tokens);
    let far = pairs.enumerate().find(|(_, (a, b))| a.id != b.id)?.0;
    find_word(&source.source.tokens, near).map(|near| near.start.abs_diff(far))
}
