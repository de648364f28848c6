//! What drawing lacked of a large map, and the thread that makes it. A newer wish stops an older one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::sheet::FEW;
use crate::capture::Capture;
use crate::matrix::{Matrix, span_of};
use crate::paint::{Pool, Region, pool};
use crate::site::Head;

/// What is lacking of one head.
#[derive(Clone, Debug, PartialEq)]
pub struct Lack {
    /// The capture's number.
    pub serial: u64,
    /// The head.
    pub head: Head,
    /// The pixels of a window; `None`: the whole map, which then stays.
    pub picture: Option<(Region, (usize, usize), Pool)>,
}

/// A lack, and where it can be made good.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What is lacking.
    pub lack: Lack,
    /// The capture.
    pub capture: Arc<Capture>,
}

/// What was made of a wish so far.
#[derive(Clone, Debug)]
pub struct Granted {
    /// What was lacking.
    pub lack: Lack,
    /// The first rows of the picture's pixels, where one was asked for.
    pub rows: Option<Matrix>,
    /// Whether that is all.
    pub complete: bool,
}

/// Time between two parts of a picture.
const STEADY: Duration = Duration::from_millis(60);

/// Makes what is wished for, part by part; `tell` is called after each, `go_on` more often, and the work stops once
/// one of them says no.
pub fn grant(wish: &Wish, go_on: impl Fn() -> bool, mut tell: impl FnMut(Granted) -> bool) {
    let Wish { lack, capture } = wish;
    let Some((window, (down, across), how)) = &lack.picture else {
        capture.maps.prepare(lack.head, go_on);
        tell(Granted { lack: lack.clone(), rows: None, complete: true });
        return;
    };
    let (down, across) = ((*down).min(window.rows.len()), (*across).min(window.cols.len()));
    let mut data: Vec<f32> = Vec::with_capacity(down * across);
    let mut told = Instant::now();
    let span = |pixel: usize| {
        let span = span_of(pixel, window.rows.len(), down);
        window.rows.start + span.start..window.rows.start + span.end
    };
    let mut pixel = 0;
    while pixel < down {
        // As many rows of pixels as a piece of rows holds, at least one.
        let first = span(pixel).start;
        let end = (pixel + 1..=down).rev().find(|&end| span(end - 1).end <= first + 4 * FEW);
        let end = end.unwrap_or(pixel + 1);
        let Some(rows) = go_on().then(|| capture.maps.rows(lack.head, first..span(end - 1).end)).flatten()
        else {
            return;
        };
        for pixel in pixel..end {
            let span = span(pixel);
            let here = Region::new(span.start - first..span.end - first, window.cols.clone());
            data.extend_from_slice(pool(&rows, &here, 1, across, *how).as_slice());
        }
        pixel = end;
        if pixel == down || told.elapsed() >= STEADY {
            told = Instant::now();
            let rows = Some(Matrix::new(pixel, across, data.clone()));
            if !tell(Granted { lack: lack.clone(), rows, complete: pixel == down }) {
                return;
            }
        }
    }
}
