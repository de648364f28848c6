//! The axes of a capture.

use super::reading::{Axis, Reading};
use crate::analysis::places::AxisNames;
use crate::capture::Capture;
use crate::export::labels::axis_names;
use crate::site::Kind;
use crate::text::label;

/// The axes of a capture under a reading.
#[derive(Clone, Debug, Default)]
pub struct Axes {
    /// The source's tokens or words.
    pub source: Axis,
    /// The decoder's input tokens or words.
    pub input: Axis,
    /// Prediction at each position of `input`: the label of the target's token, and its probability if known.
    pub predicts: Vec<(String, Option<f32>)>,
    source_names: Vec<AxisNames>,
    /// Those of the tokens that decoder rows are fed, and of those that they predict.
    input_names: Vec<AxisNames>,
}

impl Axes {
    /// Computes the axes of a capture.
    pub fn new(capture: &Capture, reading: &Reading) -> Self {
        let input = Axis::new(&capture.decoder_input, reading);
        let predicts = input
            .units
            .iter()
            .map(|unit| {
                let label = unit
                    .tokens
                    .clone()
                    .filter_map(|row| capture.target.items.get(row))
                    .map(|token| label(&token.piece))
                    .collect();
                let probability = unit
                    .tokens
                    .clone()
                    .map(|row| capture.predictions.get(row).map(|prediction| prediction.probability))
                    .product();
                (label, probability)
            })
            .collect();
        Self {
            source: Axis::new(&capture.source.items, reading),
            input,
            predicts,
            source_names: vec![axis_names(&capture.source.items)],
            input_names: vec![axis_names(&capture.decoder_input), axis_names(&capture.target.items)],
        }
    }

    /// Returns the names on the query axis of a kind.
    pub fn query_names(&self, kind: Kind) -> &[AxisNames] {
        if kind == Kind::Encoder { &self.source_names } else { &self.input_names }
    }

    /// Returns the names on the key axis of a kind.
    pub fn key_names(&self, kind: Kind) -> &[AxisNames] {
        match kind {
            Kind::Encoder | Kind::Cross => &self.source_names,
            Kind::Decoder => self.input_names.get(..1).unwrap_or(&[]),
        }
    }

    /// Returns the query axis of a kind.
    pub fn queries(&self, kind: Kind) -> &Axis {
        if kind == Kind::Encoder { &self.source } else { &self.input }
    }

    /// Returns the key axis of a kind.
    pub fn keys(&self, kind: Kind) -> &Axis {
        if kind == Kind::Decoder { &self.input } else { &self.source }
    }
}
