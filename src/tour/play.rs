//! Playing a step: its runs made, its numbers computed, its text filled in.

use std::sync::Arc;

use serde_json::Value as Json;

use super::influence::{self, Plot};
use super::run::RunModel;
use super::step::TourStep;
use super::template::fill;
use super::values::{Location, StepValues};
use crate::capture::Capture;
use crate::error::{Error, Result};

/// A step with everything that was computed for it.
#[derive(Clone, Debug)]
pub struct PlayedStep {
    /// Captures of the step's runs, in their order.
    pub captures: Vec<Arc<Capture>>,
    /// Place at which the view opens.
    pub location: Option<Location>,
    /// Results of the experiment.
    pub plot: Option<Plot>,
    /// Filled-in text: paragraphs separated by an empty line.
    pub text: String,
}

/// Translation quality of the built-in models, measured by `assets/demo-rnn/score.py`.
const SCORES: &str = include_str!("../../assets/demo-rnn/scores.json");

/// Plays a step. `own_sentence` replaces the source of every run, in steps that allow it.
///
/// # Errors
/// Errors of `run_model`; [`Error::BadFile`] where the step refers to something that its runs do not have.
pub fn play(step: &TourStep, own_sentence: Option<&str>, run_model: RunModel) -> Result<PlayedStep> {
    let own_sentence = own_sentence.filter(|_| step.own);
    let bad_step = |why: String| Error::BadFile { file: format!("step \"{}\"", step.title), why };
    let mut captures = Vec::new();
    let mut values = StepValues::default();
    for run in &step.runs {
        let capture = run_model(&run.model, &run.options(own_sentence))?;
        values.add_run(&run.name, &run.model, &capture);
        captures.push(capture);
    }
    values.add_lookups(step, &captures).map_err(bad_step)?;
    let plot = match &step.influence {
        None => None,
        Some(experiment) => Some(influence::measure(experiment, run_model)?.map_err(bad_step)?),
    };
    if let Some(plot) = &plot {
        for series in &plot.series {
            for (distance, drop) in plot.distances.iter().zip(&series.drops) {
                values.number(format!("influence.{}.{distance}", series.model), *drop);
            }
        }
    }
    let scores = serde_json::from_str(SCORES).map_err(|error| bad_step(error.to_string()))?;
    add_scores(&mut values, "scores", &scores);
    let text = fill(&step.text, &values.values).map_err(bad_step)?;
    let location = step.at.as_ref().and_then(|at| values.locations.get(at)).copied();
    Ok(PlayedStep { captures, location, plot, text })
}

/// Adds every number of a nested JSON object under its dotted path.
fn add_scores(values: &mut StepValues, path: &str, json: &Json) {
    match json {
        Json::Object(fields) => {
            fields.iter().for_each(|(key, value)| add_scores(values, &format!("{path}.{key}"), value));
        }
        Json::Number(number) => values.number(path, number.as_f64().unwrap_or(0.0)),
        _ => {}
    }
}
