//! Reading of an open scan, on a thread of its own.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::progress::{Progress, Watch};
use crate::scan::{Distributions, Exemplar, ExemplarFilter, Scan, distributions, find};

/// Request for parts of a scan.
#[derive(Clone, Debug, PartialEq)]
pub struct ScanRequest {
    /// Number of the request, counted up with every new one; a newer one replaces an older.
    pub number: u64,
    /// The scan.
    pub scan: Arc<Scan>,
    /// Exemplars to find.
    pub exemplars: Option<ExemplarFilter>,
    /// Metric whose distributions are wanted.
    pub metric: Option<&'static str>,
}

/// Part of a scan that was read.
#[derive(Debug)]
pub enum ScanPart {
    /// Exemplars of a filter.
    Exemplars(ExemplarFilter, Vec<Exemplar>),
    /// Distributions of a metric.
    Distributions(&'static str, Distributions),
    /// The scan could not be read.
    Failed(Error),
}

/// Reads what is wanted, the exemplars first. Stops once `go_on` returns false.
pub fn run(request: &ScanRequest, go_on: impl Fn() -> bool + Send + Sync, mut report: impl FnMut(ScanPart)) {
    let watch = GoesOn(go_on);
    let mut tell = |part: Result<ScanPart>| match part {
        Err(Error::Cancelled) => {}
        Err(error) => report(ScanPart::Failed(error)),
        Ok(part) => report(part),
    };
    if let Some(filter) = &request.exemplars {
        tell(find(&request.scan, filter, &watch).map(|found| ScanPart::Exemplars(filter.clone(), found)));
    }
    if let Some(metric) = request.metric {
        let found = distributions(&request.scan, metric, &watch);
        tell(found.map(|found| ScanPart::Distributions(metric, found)));
    }
}

/// Cancels once a function returns false.
struct GoesOn<F>(F);

impl<F: Fn() -> bool + Send + Sync> Watch for GoesOn<F> {
    fn progress(&self, _: Progress) {}

    fn cancelled(&self) -> bool {
        !(self.0)()
    }
}
