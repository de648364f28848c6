//! Metrics of the heads of a capture.

use std::collections::BTreeMap;
use std::sync::Arc;

use attn_tui_kernels::threads;

use super::Capture;
use crate::analysis::metrics::{Measure, is_uneven, metrics};
use crate::analysis::profile::{HeadProfile, ProfileAxes};
use crate::error::Result;
use crate::site::{Head, Kind};

/// A head and its metrics, in the order of
/// [`HeadMetrics::COLUMNS`](crate::analysis::metrics::HeadMetrics::COLUMNS).
pub type HeadRow = (Head, Vec<Option<f32>>);

/// Options of the computation of metrics.
#[derive(Clone, Copy, Debug)]
pub struct MetricOptions {
    /// Distance in tokens beyond which keys count as far.
    pub far: f32,
    /// True to compute Gini coefficients, which takes longer than all other metrics together.
    pub gini: bool,
}

impl Capture {
    /// Computes the metrics of heads, one head per thread at a time. Profiles that the pass has computed are
    /// not computed again.
    ///
    /// # Errors
    /// [`crate::error::Error::NoSuchHead`].
    pub fn head_metrics(&self, heads: &[Head], options: MetricOptions) -> Result<Vec<HeadRow>> {
        let axes = self.missing_axes(heads, options);
        let one = |at: usize| {
            let head = heads[at];
            if let Some(values) = self.known_metrics(head, options) {
                return Ok((head, values));
            }
            let (context, axes) = (&self.axes(head.kind()), &axes[&head.kind()]);
            if is_uneven(context, options.far) {
                let mut measure = Measure::new(axes, context, options.far);
                self.maps.pieces(head).for_each(|(first, rows)| measure.add(first, &rows));
                return Ok((head, measure.finish().values()));
            }
            Ok((head, metrics(&self.compute_profile(head, axes)?, context, options.far).values()))
        };
        threads::map(heads.len(), usize::MAX, one).into_iter().collect()
    }

    /// Computes the metrics of a head from the profile that the pass has made, if that is enough.
    pub fn known_metrics(&self, head: Head, options: MetricOptions) -> Option<Vec<Option<f32>>> {
        let profile = self.sufficient_profile(head, options)?;
        Some(metrics(profile, &self.axes(head.kind()), options.far).values())
    }

    /// Returns the profile of a head that the pass has made, if its metrics can be computed from it.
    fn sufficient_profile(&self, head: Head, options: MetricOptions) -> Option<&HeadProfile> {
        let profile = self.maps.site(head.site)?.profile(head.head)?;
        let enough = (profile.sums.gini.is_some() || !options.gini)
            && !is_uneven(&self.axes(head.kind()), options.far);
        enough.then_some(profile)
    }

    /// Prepares the axes of the profiles that have to be computed.
    pub fn missing_axes(&self, heads: &[Head], options: MetricOptions) -> BTreeMap<Kind, Arc<ProfileAxes>> {
        let mut all = BTreeMap::new();
        for head in heads.iter().filter(|&&head| self.sufficient_profile(head, options).is_none()) {
            all.entry(head.kind()).or_insert_with(|| {
                let (queries, keys) = self.shape(head.kind());
                let axes = self.axes(head.kind()).profile_axes([queries, keys]);
                Arc::new(if options.gini { axes.with_gini() } else { axes })
            });
        }
        all
    }
}
