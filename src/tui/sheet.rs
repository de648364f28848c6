//! The selected map as it is drawn: whole where it is there or soon made, else what is known of it meanwhile.

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::ops::Range;
use std::sync::Arc;

use super::app::App;
use super::cache::max_of;
use crate::capture::Capture;
use crate::matrix::{Matrix, cell_of};
use crate::paint::{self, Bands, Pool};
use crate::site::Head;

/// Maps with more weights than this are not computed between two frames.
const LARGE: usize = 1 << 22;

/// Rows that are computed between two frames, at most.
pub const FEW: usize = 256;

/// A map as it is read, with its maxima.
#[derive(Debug)]
pub struct Sheet {
    /// The largest weight of each row; of scores the largest size.
    pub row_max: Vec<f32>,
    /// The largest weight of the map.
    pub max: f32,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Whole(Whole),
    Glimpse(Glimpse),
}

impl Sheet {
    /// Of a map that is there, whose rows' maxima are `row_max`, or else what `largest` says of them. Large maps get
    /// their bands for `how` with it.
    pub fn whole(map: Matrix, row_max: Option<Vec<f32>>, largest: fn(&[f32]) -> f32, how: Pool) -> Self {
        let mut bands: [OnceCell<Bands>; 2] = Default::default();
        let large = map.rows().saturating_mul(map.cols()) > LARGE;
        let row_max = match (large, row_max) {
            (true, known) => {
                let measure = |row: &[f32]| if known.is_some() { 0.0 } else { largest(row) };
                let (made, measured) = Bands::measured(&map, how, measure);
                bands[how as usize] = made.into();
                known.unwrap_or(measured)
            }
            (false, Some(known)) => known,
            (false, None) => (0..map.rows()).map(|row| largest(map.row(row))).collect(),
        };
        Self { max: max_of(&row_max), row_max, body: Body::Whole(Whole { map, large, bands }) }
    }

    /// Of the selected map, where it is large, not there, and read as it is.
    pub fn glimpse(app: &App) -> Option<Self> {
        let (capture, head) = (app.capture.as_ref()?, app.place.head);
        let [_, rows, cols] = capture.maps.site(head.site)?.shape();
        let (queries, keys) = (app.axes.queries(head.kind()), app.axes.keys(head.kind()));
        let plain = queries.is_plain() && keys.is_plain() && (queries.len(), keys.len()) == (rows, cols);
        if rows.saturating_mul(cols) <= LARGE
            || !plain
            || app.sides.is_some()
            || app.is_weighed()
            || app.scored().is_some()
            || capture.check(head).is_err()
            || capture.maps.is_there(head)
        {
            return None;
        }
        let known = capture.maps.site(head.site)?.profile(head.head);
        let [largest, mean] = match (known, app.survey.heads.get(&head)) {
            (Some(profile), _) => [profile.max_thumbnail(), profile.mean_thumbnail()],
            (None, Some(facts)) => [facts.thumbnail.clone(), facts.thumbnail.clone()],
            (None, None) => [Matrix::new(1, 1, vec![0.0]), Matrix::new(1, 1, vec![0.0])],
        };
        let row_max = match known {
            Some(profile) => profile.row_max.clone(),
            None => (0..rows).map(|row| max_of(largest.row(cell_of(row, rows, largest.rows())))).collect(),
        };
        let glimpse = Glimpse {
            capture: Arc::clone(capture),
            head,
            size: (rows, cols),
            informed: known.is_some() || app.survey.heads.contains_key(&head),
            told: known.is_some(),
            largest,
            mean,
            near: RefCell::default(),
        };
        Some(Self { max: max_of(&row_max), row_max, body: Body::Glimpse(glimpse) })
    }

    /// Query places.
    pub fn rows(&self) -> usize {
        match &self.body {
            Body::Whole(Whole { map, .. }) => map.rows(),
            Body::Glimpse(glimpse) => glimpse.size.0,
        }
    }

    /// Whether this is the whole map.
    pub fn is_whole(&self) -> bool {
        matches!(self.body, Body::Whole(_))
    }

    /// Whether the survey may have something to tell that this does not know.
    pub fn is_blind(&self) -> bool {
        matches!(&self.body, Body::Glimpse(glimpse) if !glimpse.informed)
    }

    /// The largest weight of each row, where that is known of a map that is not there.
    pub fn told_row_max(&self) -> Option<Vec<f32>> {
        matches!(&self.body, Body::Glimpse(glimpse) if glimpse.told).then(|| self.row_max.clone())
    }

    /// One row; empty beyond the map.
    pub fn row(&self, query: usize) -> Cow<'_, [f32]> {
        match &self.body {
            Body::Whole(Whole { map, .. }) if query < map.rows() => Cow::Borrowed(map.row(query)),
            Body::Glimpse(glimpse) if query < glimpse.size.0 => {
                let near = glimpse.near(query..query + 1);
                Cow::Owned(near.as_slice().to_vec())
            }
            _ => Cow::Borrowed(&[]),
        }
    }

    /// One weight.
    pub fn get(&self, query: usize, key: usize) -> Option<f32> {
        match &self.body {
            Body::Whole(Whole { map, .. }) => map.get(query, key),
            Body::Glimpse(_) => self.row(query).get(key).copied(),
        }
    }

    /// What one key receives, row by row.
    pub fn column(&self, key: usize) -> Vec<f32> {
        let of =
            |map: &Matrix| (0..map.rows()).map(|row| map.get(row, key).unwrap_or(0.0)).collect::<Vec<_>>();
        match &self.body {
            Body::Whole(Whole { map, .. }) => of(map),
            Body::Glimpse(Glimpse { capture, head, size, .. }) => {
                let pieces = (0..size.0).step_by(FEW).map(|first| first..size.0.min(first + FEW));
                pieces.filter_map(|rows| capture.maps.rows(*head, rows)).flat_map(|rows| of(&rows)).collect()
            }
        }
    }

    /// The weights of a window in so many pixels, and whether they are the map's own: else they are coarse.
    pub fn pool(&self, window: &paint::Region, (down, across): (usize, usize), how: Pool) -> (Matrix, bool) {
        match &self.body {
            Body::Whole(whole) => (whole.pool(window, (down, across), how), true),
            Body::Glimpse(glimpse) if window.rows.len() <= FEW => {
                let near = glimpse.near(window.rows.clone());
                let here = paint::Region::new(0..near.rows(), window.cols.clone());
                (paint::pool(&near, &here, down, across, how), true)
            }
            Body::Glimpse(glimpse) => (glimpse.coarse(window, (down, across), how), false),
        }
    }
}

/// A map that is there.
#[derive(Debug)]
struct Whole {
    /// `[query places, key places]`.
    map: Matrix,
    large: bool,
    /// One a [`Pool`].
    bands: [OnceCell<Bands>; 2],
}

impl Whole {
    fn pool(&self, window: &paint::Region, (down, across): (usize, usize), how: Pool) -> Matrix {
        if !self.large {
            return paint::pool(&self.map, window, down, across, how);
        }
        let bands = self.bands[how as usize].get_or_init(|| Bands::of(&self.map, how));
        bands.pool(&self.map, window, (down, across))
    }
}

/// What is known of a map that is not there.
struct Glimpse {
    capture: Arc<Capture>,
    head: Head,
    size: (usize, usize),
    /// Whether the pictures are of this head.
    informed: bool,
    /// Whether the rows' maxima are the map's own.
    told: bool,
    /// The largest and the mean weights of few blocks.
    largest: Matrix,
    mean: Matrix,
    /// The rows that were looked at last.
    near: RefCell<Option<(Range<usize>, Matrix)>>,
}

impl std::fmt::Debug for Glimpse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Glimpse of {}", self.head)
    }
}

impl Glimpse {
    /// Some rows, exactly. Those computed for the last call are not computed again.
    fn near(&self, rows: Range<usize>) -> Matrix {
        let compute = |rows: Range<usize>| {
            self.capture.maps.rows(self.head, rows).unwrap_or_else(|| Matrix::new(0, self.size.1, Vec::new()))
        };
        let mut near = self.near.borrow_mut();
        if let Some((there, map)) = near.as_ref() {
            if there.start <= rows.start && rows.end <= there.end {
                return map.part(rows.start - there.start..rows.end - there.start);
            }
            let common = there.start.max(rows.start)..there.end.min(rows.end);
            if !common.is_empty() && rows.len() > 1 {
                let (before, behind) = (compute(rows.start..common.start), compute(common.end..rows.end));
                let kept = map.part(common.start - there.start..common.end - there.start);
                let data = [before.as_slice(), kept.as_slice(), behind.as_slice()].concat();
                let map = Matrix::new(rows.len(), self.size.1, data);
                *near = Some((rows, map.clone()));
                return map;
            }
        }
        let map = compute(rows.clone());
        // A single row beside the window does not drive the window out.
        if rows.len() > 1 || near.as_ref().is_none_or(|(there, _)| there.len() <= 1) {
            *near = Some((rows, map.clone()));
        }
        map
    }

    /// Blocks stretched over the pixels of a window.
    fn coarse(&self, window: &paint::Region, (down, across): (usize, usize), how: Pool) -> Matrix {
        let blocks = if how == Pool::Max { &self.largest } else { &self.mean };
        let block = |pixel: usize, pixels: usize, span: &Range<usize>, size: usize, blocks: usize| {
            let at = span.start + (2 * pixel + 1) * span.len() / (2 * pixels.max(1));
            cell_of(at.min(size.saturating_sub(1)), size, blocks)
        };
        let (down, across) = (down.min(window.rows.len()), across.min(window.cols.len()));
        let cols: Vec<usize> =
            (0..across).map(|col| block(col, across, &window.cols, self.size.1, blocks.cols())).collect();
        let mut data = Vec::with_capacity(down * across);
        for row in 0..down {
            let row = blocks.row(block(row, down, &window.rows, self.size.0, blocks.rows()));
            data.extend(cols.iter().map(|&col| row.get(col).copied().unwrap_or(0.0)));
        }
        Matrix::new(down, across, data)
    }
}
