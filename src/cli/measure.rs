//! Metrics of the selected heads of a capture.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use attn_tui_kernels::threads;

use crate::analysis::metrics::{HeadMetrics, Measure};
use crate::analysis::similarity::{DivergenceSums, cluster};
use crate::capture::{Capture, HeadRow, MetricOptions};
use crate::error::Result;
use crate::export::select::HeadSelection;
use crate::site::Head;

/// Computes the metrics of the selected heads.
///
/// # Errors
/// [`crate::error::Error::NoSuchHead`].
pub fn measure(capture: &Capture, selection: &HeadSelection, options: MetricOptions) -> Result<Vec<HeadRow>> {
    capture.head_metrics(&selection.heads(capture)?, options)
}

/// Bytes of rows of all heads of a kind that are in memory at once.
const ROW_BYTES: usize = 1 << 27;

/// Computes the metrics of the selected heads, and assigns each head to one of `count` groups, numbered from
/// 0 within its kind (average linkage). All heads of a kind are visited together, some rows at a time.
///
/// # Errors
/// As [`measure`]; [`crate::error::Error::Usage`] if maps of a kind differ in shape.
pub fn measure_groups(
    capture: &Capture,
    selection: &HeadSelection,
    options: MetricOptions,
    count: usize,
) -> Result<(Vec<HeadRow>, BTreeMap<Head, usize>)> {
    let heads = selection.heads(capture)?;
    let axes = capture.missing_axes(&heads, options);
    let (mut rows, mut groups) = (Vec::new(), BTreeMap::new());
    for heads in heads.chunk_by(|a, b| a.kind() == b.kind()) {
        let kind = heads[0].kind();
        let context = capture.axes(kind);
        let start = |head: &Head| match capture.known_metrics(*head, options) {
            Some(values) => Measured::Known(values),
            None => Measured::Rows(Box::new(Measure::new(&axes[&kind], &context, options.far))),
        };
        let measured: Vec<_> = heads.iter().map(start).map(Mutex::new).collect();
        let mut sums = DivergenceSums::new(heads.len());
        let (queries, keys) = capture.shape(kind);
        let step = ROW_BYTES / (4 * heads.len() * keys).max(1);
        let step = if step < 64 { step.max(1) } else { step - step % 64 };
        for first in (0..queries).step_by(step) {
            let maps = threads::map(heads.len(), usize::MAX, |at| {
                let rows = capture.maps.rows(heads[at], first..queries.min(first + step))?;
                let mut measured = measured[at].lock().unwrap_or_else(PoisonError::into_inner);
                if let Measured::Rows(measure) = &mut *measured {
                    measure.add(first, &rows);
                }
                Some(rows)
            });
            sums.add(&maps.into_iter().flatten().collect::<Vec<_>>())?;
        }
        groups.extend(heads.iter().copied().zip(cluster(&sums.finish(), count)));
        rows.extend(heads.iter().copied().zip(measured.into_iter().map(Measured::finish)));
    }
    Ok((rows, groups))
}

/// Metrics that are known, or that are computed row by row.
enum Measured<'a> {
    Known(Vec<Option<f32>>),
    Rows(Box<Measure<'a>>),
}

impl Measured<'_> {
    /// Returns the metrics of all rows.
    fn finish(this: Mutex<Self>) -> Vec<Option<f32>> {
        match this.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Measured::Known(values) => values,
            Measured::Rows(measure) => measure.finish().values(),
        }
    }
}

/// The names of all metrics.
pub fn all_metrics() -> Vec<&'static str> {
    HeadMetrics::COLUMNS.iter().map(|column| column.name).collect()
}
