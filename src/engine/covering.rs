//! Runs with a rectangle of the picture covered by the picture's mean colour, one rectangle at a time.

use std::collections::BTreeMap;

use candle_core::Tensor;

use super::attribution::{AttributionOptions, causal, losses};
use super::session::Session;
use super::source::Source;
use super::variants::Masking;
use crate::analysis::attribution::Attribution;
use crate::axis::{AxisItem, PixelBox, token_ids};
use crate::capture::Capture;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::model::EncoderInput;
use crate::progress::{Progress, Watch};

/// A square of patches, in a picture of which all squares are covered in turn.
#[derive(Clone, Debug, PartialEq)]
struct PatchSquare {
    /// The rectangle around its patches.
    place: PixelBox,
    /// Positions of the patches on the source's axis.
    patches: Vec<usize>,
}

/// Splits the patches among items into squares of `side` x `side` patches; those at the right and the lower
/// edge may be smaller.
fn squares(items: &[AxisItem], side: usize) -> Vec<PatchSquare> {
    let places: Vec<(usize, PixelBox)> =
        items.iter().enumerate().filter_map(|(at, item)| Some((at, item.place()?))).collect();
    let edges = |of: fn(PixelBox) -> f64| {
        let mut edges: Vec<f64> = places.iter().map(|(_, place)| of(*place)).collect();
        edges.sort_by(f64::total_cmp);
        edges.dedup();
        edges
    };
    let (lefts, tops) = (edges(|place| place.x), edges(|place| place.y));
    let number = |edges: &[f64], at: f64| edges.partition_point(|edge| *edge < at) / side.max(1);
    let mut squares: BTreeMap<(usize, usize), PatchSquare> = BTreeMap::new();
    for (at, place) in places {
        let key = (number(&tops, place.y), number(&lefts, place.x));
        let square = squares.entry(key).or_insert_with(|| PatchSquare { place, patches: Vec::new() });
        square.place = square.place.union(place);
        square.patches.push(at);
    }
    squares.into_values().collect()
}

impl Session {
    /// Attributes every target token of the run of a picture to patches, a square of them covered at a time,
    /// and to prefix tokens, which are masked. The patches of a square have the same score.
    pub(super) fn cover_patches(
        &self,
        base: &Capture,
        source: &Source,
        options: &AttributionOptions,
        watch: &dyn Watch,
    ) -> Result<Attribution> {
        let &AttributionOptions { masking, contrast, patches: side, .. } = options;
        if masking == Masking::Removed {
            let why = "patches are covered, not removed: choose another --masking for the prefix";
            return Err(Error::Usage(why.into()));
        }
        let (target, input) = (base.target.ids(), token_ids(&base.decoder_input));
        let forced = |states: &[Tensor]| {
            let inputs = states.iter().map(|states| (EncoderInput::States(states), input.as_slice()));
            self.force(&inputs.collect::<Vec<_>>(), (&target, contrast), watch, &|_| {})
        };
        let intact = source.embedded().ok_or_else(|| Error::Usage("only pictures can be covered".into()))?;
        let intact_scores = forced(std::slice::from_ref(intact))?.remove(0);
        let squares = squares(source.items(), side);
        let places: Vec<PixelBox> = squares.iter().map(|square| square.place).collect();
        let mut covered = Vec::with_capacity(places.len());
        // The states of a picture are large: a few squares at a time.
        const TOGETHER: usize = 16;
        self.covered(source, (&places, TOGETHER), watch, &mut |states| {
            watch.progress(Progress::Runs { done: covered.len(), total: Some(places.len()) });
            covered.extend(forced(states)?);
            Ok(())
        })?;
        let of_squares = losses(&intact_scores, &covered);
        let mut square_of = vec![None; source.items().len()];
        for (number, square) in squares.iter().enumerate() {
            square.patches.iter().for_each(|&at| square_of[at] = Some(number));
        }
        let score = |row: usize, at: usize| square_of[at].map_or(0.0, |square| of_squares.row(row)[square]);
        let patches = Matrix::from_fn(target.len(), source.items().len(), score);
        let [_, blanks] = self.tokenizer.blank_tokens();
        let masked = |at: usize| masking.apply(&input, &[at], blanks);
        let prefixes = (0..input.len()).map(masked).collect::<Result<Vec<_>>>()?;
        let inputs = prefixes.iter().map(|ids| (EncoderInput::States(intact), ids.as_slice()));
        let masked = self.force(&inputs.collect::<Vec<_>>(), (&target, contrast), watch, &|_| {})?;
        let prefix = Some(causal(&losses(&intact_scores, &masked)));
        Ok(Attribution { source: patches, prefix, completeness_error: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_form_squares() {
        let patch = |at: usize| {
            AxisItem::patch(PixelBox { x: (at % 5 * 10) as f64, y: (at / 5 * 20) as f64, w: 10.0, h: 20.0 })
        };
        let items: Vec<AxisItem> = [AxisItem::class("[CLS]")].into_iter().chain((0..15).map(patch)).collect();
        let found = squares(&items, 2);
        assert_eq!(found.len(), 6);
        assert_eq!(found[0].place, PixelBox { x: 0.0, y: 0.0, w: 20.0, h: 40.0 });
        assert_eq!(found[0].patches, [1, 2, 6, 7]);
        assert_eq!((found[5].place.x, found[5].patches.as_slice()), (40.0, &[15][..]));
        assert_eq!(squares(&items, 1).len(), 15);
        assert!(squares(&items[..1], 1).is_empty());
    }
}
