//! One step as it is told: its runs made, its numbers computed, its text filled in.

use std::sync::Arc;

use serde_json::Value as Json;

use super::Step;
use super::influence::{self, Plot};
use super::template::fill;
use super::values::Known;
use crate::capture::Capture;
use crate::engine::RunOptions;
use crate::error::{Error, Result};
use crate::site::Head;

/// Runs a model on texts.
pub type Perform<'a> = &'a mut dyn FnMut(&str, &RunOptions) -> Result<Arc<Capture>>;

/// A place in a run's maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The head.
    pub head: Head,
    /// The row.
    pub query: Option<usize>,
    /// The column.
    pub key: Option<usize>,
}

/// A step with all that it computed.
#[derive(Clone, Debug)]
pub struct Played {
    /// One a run.
    pub captures: Vec<Arc<Capture>>,
    /// Where the picture opens.
    pub spot: Option<Spot>,
    /// The experiment's numbers.
    pub plot: Option<Plot>,
    /// The text: paragraphs with an empty line between.
    pub text: String,
}

/// How well the built-in models translate; `assets/demo-rnn/score.py` makes the file.
const SCORES: &str = include_str!("../../assets/demo-rnn/scores.json");

/// Plays a step. `own` is the reader's sentence, for steps that take one.
///
/// # Errors
/// What `perform` fails with; [`Error::BadFile`] where the step speaks of something that is not there.
pub fn play(step: &Step, own: Option<&str>, perform: Perform) -> Result<Played> {
    let own = own.filter(|_| step.own);
    let wrong = |why: String| Error::BadFile { file: format!("step \"{}\"", step.title), why };
    let mut captures = Vec::new();
    let mut known = Known::default();
    for run in &step.runs {
        let capture = perform(&run.model, &run.options(own))?;
        known.run(&run.name, &run.model, &capture);
        captures.push(capture);
    }
    known.finds(step, &captures).map_err(wrong)?;
    let plot = match &step.influence {
        None => None,
        Some(experiment) => Some(influence::measure(experiment, perform)?.map_err(wrong)?),
    };
    if let Some(plot) = &plot {
        for series in &plot.series {
            for (distance, drop) in plot.distances.iter().zip(&series.drops) {
                known.number(format!("influence.{}.{distance}", series.model), *drop);
            }
        }
    }
    let scores = serde_json::from_str(SCORES).map_err(|error| wrong(error.to_string()))?;
    add_scores(&mut known, "scores", &scores);
    let text = fill(&step.text, &known.values).map_err(wrong)?;
    let spot = step.at.as_ref().and_then(|at| known.spots.get(at)).copied();
    Ok(Played { captures, spot, plot, text })
}

/// Nested numbers by dotted names.
fn add_scores(known: &mut Known, name: &str, json: &Json) {
    match json {
        Json::Object(fields) => {
            fields.iter().for_each(|(key, value)| add_scores(known, &format!("{name}.{key}"), value));
        }
        Json::Number(number) => known.number(name, number.as_f64().unwrap_or(0.0)),
        _ => {}
    }
}
