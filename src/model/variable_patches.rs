//! Front end of a vision model that reads patches in variable numbers (Lee et al. 2023, Pix2Struct).

use candle_core::Tensor;

use super::builder::Builder;
use super::spec::VariablePatchesSpec;
use crate::error::{Error, Result};
use crate::nn::Linear;

/// Embedding of the patches of a picture, with positions by row and by column.
pub(super) struct VariablePatches {
    /// Map from the values of a patch to its state.
    map: Linear,
    /// `[positions, d_model]`; row 0 is that of padding, which no picture has here.
    rows: Tensor,
    /// As `rows`.
    columns: Tensor,
}

impl VariablePatches {
    /// Builds the embedding from a checkpoint's tensors; states are `width` wide.
    pub fn new(build: &Builder, spec: &VariablePatchesSpec, width: usize) -> Result<Self> {
        let table = |name| build.tensor(&[name], &[spec.positions, width]);
        Ok(Self {
            map: build.linear(spec.projection, spec.values, width, true)?,
            rows: table(spec.rows)?,
            columns: table(spec.columns)?,
        })
    }

    /// Embeds patches `[rows, columns, values]`. Returns `[1, rows * columns, d_model]`, positions included.
    ///
    /// # Errors
    /// [`Error::Text`] for more rows or columns than the model has positions.
    pub fn forward(&self, patches: &Tensor) -> Result<Tensor> {
        let (rows, columns, values) = patches.dims3()?;
        let positions = self.rows.dim(0)?;
        if rows.max(columns) >= positions {
            return Err(Error::Text(format!(
                "{columns} x {rows} patches are more than the {} that the model has positions for on each side",
                positions.saturating_sub(1)
            )));
        }
        let states = self.map.forward(&patches.reshape((1, rows * columns, values))?)?;
        let width = states.dim(2)?;
        let states = states.reshape((rows, columns, width))?;
        // Positions count from 1.
        let down = self.rows.narrow(0, 1, rows)?.unsqueeze(1)?;
        let across = self.columns.narrow(0, 1, columns)?.unsqueeze(0)?;
        Ok(states.broadcast_add(&down)?.broadcast_add(&across)?.reshape((1, rows * columns, width))?)
    }
}
