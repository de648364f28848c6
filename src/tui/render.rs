//! Render jobs: large maps, or pooled pictures of them, computed outside the drawing thread.
//!
//! A frame that lacks data asks for it with a [`RenderRequest`]. Only the newest job runs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::sheet::FEW;
use crate::capture::Capture;
use crate::matrix::{Matrix, span_of};
use crate::paint::{Pool, Region, pool};
use crate::site::Head;

/// Data of one head that a frame needs but does not have.
#[derive(Clone, Debug, PartialEq)]
pub struct RenderRequest {
    /// Number of the capture.
    pub serial: u64,
    /// Head.
    pub head: Head,
    /// Region, number of pixels (rows, columns) and pooling of the picture that is needed; `None` asks for
    /// the whole map, which the capture then keeps.
    pub picture: Option<(Region, (usize, usize), Pool)>,
}

/// A request with the capture that can answer it.
#[derive(Clone, Debug)]
pub struct RenderJob {
    /// Request.
    pub request: RenderRequest,
    /// Capture.
    pub capture: Arc<Capture>,
}

/// Partial or complete result of a render job.
#[derive(Clone, Debug)]
pub struct RenderResult {
    /// Request that it answers.
    pub request: RenderRequest,
    /// First rows of the picture's pixels; `None` if the whole map was requested.
    pub rows: Option<Matrix>,
    /// True if the job is done.
    pub complete: bool,
}

/// Time between two partial results.
const REPORT_INTERVAL: Duration = Duration::from_millis(60);

/// Runs a job and passes partial results to `report`. It stops as soon as `go_on` or `report` returns false.
pub fn render(job: &RenderJob, go_on: impl Fn() -> bool, mut report: impl FnMut(RenderResult) -> bool) {
    let RenderJob { request, capture } = job;
    let Some((region, (down, across), how)) = &request.picture else {
        capture.maps.prepare(request.head, go_on);
        report(RenderResult { request: request.clone(), rows: None, complete: true });
        return;
    };
    let (down, across) = ((*down).min(region.rows.len()), (*across).min(region.cols.len()));
    let mut data: Vec<f32> = Vec::with_capacity(down * across);
    let mut reported = Instant::now();
    let span = |pixel: usize| {
        let span = span_of(pixel, region.rows.len(), down);
        region.rows.start + span.start..region.rows.start + span.end
    };
    let mut pixel = 0;
    while pixel < down {
        // As many rows of pixels as fit into one batch of map rows, but at least one.
        let first = span(pixel).start;
        let end = (pixel + 1..=down).rev().find(|&end| span(end - 1).end <= first + 4 * FEW);
        let end = end.unwrap_or(pixel + 1);
        let Some(rows) = go_on().then(|| capture.maps.rows(request.head, first..span(end - 1).end)).flatten()
        else {
            return;
        };
        for pixel in pixel..end {
            let span = span(pixel);
            let here = Region::new(span.start - first..span.end - first, region.cols.clone());
            data.extend_from_slice(pool(&rows, &here, 1, across, *how).as_slice());
        }
        pixel = end;
        if pixel == down || reported.elapsed() >= REPORT_INTERVAL {
            reported = Instant::now();
            let rows = Some(Matrix::new(pixel, across, data.clone()));
            if !report(RenderResult { request: request.clone(), rows, complete: pixel == down }) {
                return;
            }
        }
    }
}
