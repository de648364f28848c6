//! The strength of a pair of places in a head, from the rows of its queries alone.

use super::Capture;
use super::values::{MapWeights, weigh};
use crate::analysis::MapAxes;
use crate::analysis::pairs::{Pair, PairLink, pair_weight};
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::site::Head;

impl Capture {
    /// Weighs a pair in one head. The value-weighted weight is computed where the capture has value norms.
    /// `None` if the pair lies beyond the map, or if causal attention masks all of it.
    ///
    /// # Errors
    /// [`Error::NoSuchHead`], naming what there is.
    pub fn pair_link(&self, head: Head, pair: &Pair) -> Result<Option<PairLink>> {
        self.check(head)?;
        let kind = head.kind();
        let [_, queries, _] = self.maps.site(head.site).map_or([0; 3], |maps| maps.shape());
        if pair.queries.end > queries {
            return Ok(None);
        }
        let rows = self.maps.rows(head, pair.queries.clone());
        let rows = rows.ok_or_else(|| Error::NoSuchHead(self.why_not(head)))?;
        let Some(weight) = pair_weight(kind, &rows, pair) else { return Ok(None) };
        let norms = self.site_values(head.site).ok().filter(|_| self.weights == MapWeights::Attention);
        let value_weighted = norms.and_then(|values| {
            let mut data = rows.as_slice().to_vec();
            data.chunks_mut(rows.cols().max(1)).for_each(|row| weigh(row, values.norms.row(head.head)));
            pair_weight(kind, &Matrix::new(rows.rows(), rows.cols(), data), pair)
        });
        let axes = MapAxes::new(kind, self.queries(kind), self.keys(kind));
        Ok(Some(PairLink {
            head,
            weight,
            value_weighted: value_weighted.map(|weighted| weighted.weight),
            distance: axes.distance(pair.queries.start, pair.keys.start),
            pair: pair.clone(),
        }))
    }
}
