//! Sources of runs: what the encoder reads, with the items that label it.

use candle_core::Tensor;

use crate::axis::{AxisItem, Sequence};
use crate::error::{Error, Result};
use crate::model::EncoderInput;

/// Source of a run, read and ready for the encoder.
#[derive(Clone, Debug)]
pub struct Source {
    sequence: Sequence,
    /// Ids of the tokens among the items; empty if the source is no text.
    ids: Vec<u32>,
    /// Input of the encoder's first layer; `None` to embed the ids.
    states: Option<Tensor>,
}

impl Source {
    /// Creates a source of tokens, which the model embeds.
    pub fn tokens(sequence: Sequence) -> Self {
        Self { ids: sequence.ids(), sequence, states: None }
    }

    /// Creates a source that a front end has turned into `states`, `[1, items, d_model]`, positions included. The text
    /// of `sequence` is what the screen and exports show as the source.
    ///
    /// # Errors
    /// [`Error::Text`] if there are no items, or not one for each position.
    pub fn states(sequence: Sequence, states: Tensor) -> Result<Self> {
        let (_, positions, _) = states.dims3()?;
        match sequence.len() {
            0 => Err(Error::Text("the source is empty".into())),
            items if items != positions => {
                Err(Error::Text(format!("the source has {items} items for {positions} positions")))
            }
            _ => Ok(Self { ids: sequence.ids(), sequence, states: Some(states) }),
        }
    }

    /// The text and the items.
    pub fn sequence(&self) -> &Sequence {
        &self.sequence
    }

    /// The items along the source's axis.
    pub fn items(&self) -> &[AxisItem] {
        &self.sequence.items
    }

    /// Ids of the tokens among the items, for the settings of generation that look at the source.
    pub(super) fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Input of the encoder.
    pub(super) fn input(&self) -> EncoderInput<'_> {
        self.states.as_ref().map_or(EncoderInput::Ids(&self.ids), EncoderInput::States)
    }
}
