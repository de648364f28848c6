//! Adds position bias and mask to scores `[batch, heads, rows, columns]` of the sequence's own keys.

use std::ops::Range;

use attn_tui_kernels::attention::{AttentionKernel, ExtraColumnsBias};
use candle_core::{Device, Tensor};

use crate::error::Result;

/// Addends of the scores: position bias and masks. They are built for a block of rows at a time, from
/// biases by diagonals that lie on the device.
pub(super) struct ScoreBias<'a> {
    kernel: &'a AttentionKernel<'a>,
    device: &'a Device,
    /// `[heads, queries + keys - 1]`
    bias: Option<Tensor>,
    /// `[heads, 2 * extra keys - 1]`
    extra: Option<Tensor>,
}

impl<'a> ScoreBias<'a> {
    /// Prepares the addends of the attention that `kernel` describes.
    pub fn new(kernel: &'a AttentionKernel<'a>, device: &'a Device) -> Result<Self> {
        let on_device = |lines: &[f32]| {
            let shape = (kernel.heads, lines.len() / kernel.heads.max(1));
            Tensor::from_slice(lines, shape, device)
        };
        let extra = match kernel.extra.map(|extra| extra.bias) {
            Some(ExtraColumnsBias::Blocks { lines, .. }) => Some(on_device(lines)?),
            _ => None,
        };
        let bias = kernel.bias.map(|bias| on_device(bias.lines)).transpose()?;
        Ok(Self { kernel, device, bias, extra })
    }

    /// Adds everything to scores `[batch, heads, rows, columns + extra keys]`.
    pub fn add_to_all(&self, scores: Tensor, rows: Range<usize>, columns: Range<usize>) -> Result<Tensor> {
        let extra = self.kernel.columns()[1];
        let tokens = scores.narrow(3, 0, columns.len())?;
        let mut all = self.add_to_tokens(tokens, rows.clone(), columns.clone())?;
        if extra > 0 {
            let extra_scores =
                self.add_to_extra_keys(scores.narrow(3, columns.len(), extra)?, rows.clone())?;
            all = Tensor::cat(&[all, extra_scores], 3)?;
        }
        match self.masked(rows, columns)? {
            Some(masked) => Ok(all.broadcast_add(&masked)?),
            None => Ok(all),
        }
    }

    /// Adds position bias and mask to the scores of the sequence's keys, `[batch, heads, rows, columns]`.
    ///
    /// # Errors
    /// Tensor operations fail on the device.
    pub fn add_to_tokens(&self, scores: Tensor, rows: Range<usize>, columns: Range<usize>) -> Result<Tensor> {
        let mut scores = scores;
        if let Some(lines) = &self.bias {
            let first = |row: usize| self.kernel.queries - 1 - row + columns.start;
            scores = scores.broadcast_add(&self.along(lines, rows.clone().map(first), columns.len())?)?;
        }
        if let Some(mask) = self.mask(rows, columns)? {
            scores = scores.broadcast_add(&mask)?;
        }
        Ok(scores)
    }

    /// Adds the bias of extra keys to their scores, `[batch, heads, rows, extra keys]`.
    pub fn add_to_extra_keys(&self, scores: Tensor, rows: Range<usize>) -> Result<Tensor> {
        let Some(extra) = self.kernel.extra else { return Ok(scores) };
        let bias = match (extra.bias, &self.extra) {
            (ExtraColumnsBias::Blocks { block, .. }, Some(lines)) => {
                let first = |row: usize| extra.count - 1 - (row / block).min(extra.count - 1);
                self.along(lines, rows.map(first), extra.count)?
            }
            (ExtraColumnsBias::Inner { block, bias }, _) => {
                let last = self.kernel.queries.saturating_sub(1) / block;
                let of_row = |row: usize| match row / block {
                    index if index == 0 || index == last => f32::NEG_INFINITY,
                    _ => bias,
                };
                let count = rows.len();
                Tensor::from_iter(rows.map(of_row), self.device)?.reshape((count, 1))?
            }
            _ => return Ok(scores),
        };
        Ok(scores.broadcast_add(&bias)?)
    }

    /// Takes `columns` values of each head's line, from index `first` of each row on. Returns `[heads,
    /// rows, columns]`.
    fn along(&self, lines: &Tensor, first: impl Iterator<Item = usize>, columns: usize) -> Result<Tensor> {
        let first: Vec<u32> = first.map(|at| at as u32).collect();
        if let [first] = first[..] {
            return Ok(lines.narrow(1, first as usize, columns)?.unsqueeze(1)?);
        }
        let rows = first.len();
        let first = Tensor::from_vec(first, (rows, 1), self.device)?;
        let steps = Tensor::arange(0, columns as u32, self.device)?.unsqueeze(0)?;
        let at = first.broadcast_add(&steps)?.flatten_all()?;
        Ok(lines.index_select(&at, 1)?.reshape((self.kernel.heads, rows, columns))?)
    }

    /// Mask of the invisible keys, `[rows, columns]`: 0 or minus infinity. `None` if all are visible.
    fn mask(&self, rows: Range<usize>, columns: Range<usize>) -> Result<Option<Tensor>> {
        let AttentionKernel { visible, past, keys, .. } = *self.kernel;
        let shape = (rows.len(), columns.len());
        let mut values = vec![f32::NEG_INFINITY; shape.0 * shape.1];
        let mut visible_count = 0;
        for (row, values) in rows.zip(values.chunks_exact_mut(columns.len().max(1))) {
            for range in visible.ranges(past + row, keys) {
                let within = |at: usize| at.clamp(columns.start, columns.end) - columns.start;
                let values = &mut values[within(range.start)..within(range.end)];
                values.fill(0.0);
                visible_count += values.len();
            }
        }
        let any_hidden = visible_count < values.len();
        Ok(any_hidden.then(|| Tensor::from_vec(values, shape, self.device)).transpose()?)
    }

    /// Mask of the masked pairs, `[heads, rows, columns + extra keys]`: 0 or minus infinity. `None` if the
    /// block has none.
    fn masked(&self, rows: Range<usize>, columns: Range<usize>) -> Result<Option<Tensor>> {
        let [keys, extra] = self.kernel.columns();
        let width = columns.len() + extra;
        let shape = (self.kernel.heads, rows.len(), width);
        let mut values = Vec::new();
        for pair in self.kernel.masked.iter().filter(|pair| rows.contains(&pair.query)) {
            let column = match pair.key.checked_sub(keys) {
                Some(at) if at < extra => columns.len() + at,
                None if columns.contains(&pair.key) => pair.key - columns.start,
                // The pair is outside the block.
                _ => continue,
            };
            if values.is_empty() {
                values = vec![0.0; shape.0 * shape.1 * shape.2];
            }
            values[(pair.head * rows.len() + pair.query - rows.start) * width + column] = f32::NEG_INFINITY;
        }
        let any = !values.is_empty();
        Ok(any.then(|| Tensor::from_vec(values, shape, self.device)).transpose()?)
    }
}
