//! Options of a scan.

use serde::{Deserialize, Serialize};

use crate::analysis::links::LinkFilter;
use crate::analysis::metrics::FAR;
use crate::analysis::profile::STRONG_WEIGHT;
use crate::capture::MetricOptions;
use crate::engine::RunOptions;

/// Measures of a scan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScanOptions {
    /// Distance in tokens beyond which keys count as far.
    pub far: f32,
    /// Number of far links of each head and sentence.
    pub links: usize,
    /// Smallest distance of these links, in positions.
    pub min_distance: f32,
    /// Smallest weight of these links.
    pub min_weight: f32,
    /// True to compute the share of the source by ALTI, which takes several times as long.
    pub source_share: bool,
    /// True to keep the maps themselves.
    pub maps: bool,
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self {
            far: FAR,
            links: 3,
            min_distance: FAR + 1.0,
            min_weight: STRONG_WEIGHT,
            source_share: false,
            maps: false,
        }
    }
}

impl ScanOptions {
    /// The filter of the far links of one head.
    pub fn filter(&self) -> LinkFilter {
        LinkFilter {
            min_distance: self.min_distance,
            min_weight: self.min_weight,
            top: self.links,
            ..LinkFilter::default()
        }
    }

    /// The options of the metrics.
    pub fn metrics(&self) -> MetricOptions {
        MetricOptions { far: self.far, gini: true }
    }

    /// Adds what the measures need to the options of a run.
    pub fn run(&self, run: RunOptions) -> RunOptions {
        RunOptions {
            predictions: true,
            profiles: true,
            gini: true,
            values: self.source_share,
            // Profiles list all pairs of that weight anyway.
            links: (self.min_weight < STRONG_WEIGHT).then(|| self.filter()),
            ..run
        }
    }
}
