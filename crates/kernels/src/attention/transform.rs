//! Transformation of the scores of a row before the softmax: scale, cap, bias and mask.

use std::ops::Range;

use super::{AttentionKernel, ExtraColumns, ExtraColumnsBias};
use crate::softmax::ScoreTransform;

impl AttentionKernel<'_> {
    /// Applies [`AttentionKernel::masked`] to the transformed scores of a row, which are those of the keys
    /// `seen` and whose maximum is `largest`. Returns the new maximum, or `f32::MIN` if there is none above
    /// it.
    ///
    /// # Safety
    /// `scores` is valid for the keys `seen`.
    pub(super) unsafe fn mask_pairs(
        &self,
        head: usize,
        query: usize,
        scores: *mut f32,
        seen: Range<usize>,
        largest: f32,
    ) -> f32 {
        let mut any = false;
        for pair in self.masked {
            if (pair.head, pair.query) == (head, query) && seen.contains(&pair.key) {
                // SAFETY: the key is among `seen`.
                unsafe { *scores.add(pair.key - seen.start) = f32::NEG_INFINITY };
                any = true;
            }
        }
        if !any {
            return largest;
        }
        // SAFETY: the caller ensures that the scores are there.
        let scores = unsafe { std::slice::from_raw_parts(scores, seen.len()) };
        scores.iter().copied().fold(f32::MIN, f32::max)
    }

    /// Returns the transformation of the scores of a row from key `first_key` on.
    #[inline(always)]
    pub(super) fn transform(&self, head: usize, query: usize, first_key: usize) -> ScoreTransform {
        let mut row = self.plain_transform();
        if let Some(bias) = self.bias {
            let line = head * (self.queries + self.keys - 1);
            row.bias = bias.lines[line + self.queries - 1 - query + first_key..].as_ptr();
        }
        row
    }

    /// Returns the transformation of the scores of the extra keys.
    #[inline(always)]
    pub(super) fn extra_transform(&self, head: usize, query: usize) -> ScoreTransform {
        let mut row = self.plain_transform();
        let Some(ExtraColumns { count, bias }) = self.extra else { return row };
        match bias {
            ExtraColumnsBias::None => {}
            ExtraColumnsBias::Blocks { block, lines } => {
                let own = (query / block).min(count - 1);
                row.bias = lines[head * (2 * count - 1) + count - 1 - own..][..count].as_ptr();
            }
            ExtraColumnsBias::Inner { block, bias } => {
                let (own, last) = (query / block, self.queries.saturating_sub(1) / block);
                row.plus = if own == 0 || own == last { f32::NEG_INFINITY } else { bias };
            }
        }
        row
    }

    /// Returns the transformation without bias.
    #[inline(always)]
    fn plain_transform(&self) -> ScoreTransform {
        ScoreTransform { scale: self.scale, softcap: self.softcap, plus: 0.0, bias: std::ptr::null() }
    }
}
