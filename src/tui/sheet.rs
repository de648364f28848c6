//! The selected map as it is displayed: the whole map or, while a large map is not computed yet, a preview.

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::ops::Range;
use std::sync::Arc;

use super::app::App;
use super::reading::max_of;
use crate::capture::Capture;
use crate::matrix::{Matrix, cell_of};
use crate::paint::{self, Bands, Pool};
use crate::site::Head;

/// Number of weights above which a map is not computed within a frame.
const LARGE: usize = 1 << 22;

/// Maximum number of map rows computed within a frame.
pub const FEW: usize = 256;

/// The displayed map with its maxima.
#[derive(Debug)]
pub struct Sheet {
    /// Largest weight of each row; for scores the largest absolute score.
    pub row_max: Vec<f32>,
    /// Largest weight of the map.
    pub max: f32,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Whole(Whole),
    Preview(Preview),
}

impl Sheet {
    /// Creates a sheet from a whole map. `row_max` holds the maxima of the rows, if they are known; otherwise
    /// `largest` computes them. Large maps also get their bands for `how` in the same pass.
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

    /// Creates a preview of the selected map. Returns `None` if the map is small, already computed, or
    /// displayed with a filter, merged tokens, value weighting or scores.
    pub fn preview(app: &App) -> Option<Self> {
        let (capture, head) = (app.capture.as_ref()?, app.selection.head);
        let [_, rows, cols] = capture.maps.site(head.site)?.shape();
        let (queries, keys) = (app.axes.queries(head.kind()), app.axes.keys(head.kind()));
        let plain = queries.is_plain() && keys.is_plain() && (queries.len(), keys.len()) == (rows, cols);
        if rows.saturating_mul(cols) <= LARGE
            || !plain
            || app.views.map.filtered.is_some()
            || app.is_weighed()
            || app.scored().is_some()
            || app.edits(head).next().is_some()
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
        let preview = Preview {
            capture: Arc::clone(capture),
            head,
            size: (rows, cols),
            has_data: known.is_some() || app.survey.heads.contains_key(&head),
            exact_row_max: known.is_some(),
            largest,
            mean,
            near: RefCell::default(),
        };
        Some(Self { max: max_of(&row_max), row_max, body: Body::Preview(preview) })
    }

    /// Returns the number of queries.
    pub fn rows(&self) -> usize {
        match &self.body {
            Body::Whole(Whole { map, .. }) => map.rows(),
            Body::Preview(preview) => preview.size.0,
        }
    }

    /// Returns true if this is the whole map.
    pub fn is_whole(&self) -> bool {
        matches!(self.body, Body::Whole(_))
    }

    /// Returns true for a preview without any pooled data, which a survey of the head may still provide.
    pub fn is_blank(&self) -> bool {
        matches!(&self.body, Body::Preview(preview) if !preview.has_data)
    }

    /// Returns the largest weight of each row, if this is a preview that knows them exactly.
    pub fn exact_row_max(&self) -> Option<Vec<f32>> {
        matches!(&self.body, Body::Preview(preview) if preview.exact_row_max).then(|| self.row_max.clone())
    }

    /// Returns a row; it is empty beyond the map.
    pub fn row(&self, query: usize) -> Cow<'_, [f32]> {
        match &self.body {
            Body::Whole(Whole { map, .. }) if query < map.rows() => Cow::Borrowed(map.row(query)),
            Body::Preview(preview) if query < preview.size.0 => {
                let near = preview.near(query..query + 1);
                Cow::Owned(near.as_slice().to_vec())
            }
            _ => Cow::Borrowed(&[]),
        }
    }

    /// Returns a weight.
    pub fn get(&self, query: usize, key: usize) -> Option<f32> {
        match &self.body {
            Body::Whole(Whole { map, .. }) => map.get(query, key),
            Body::Preview(_) => self.row(query).get(key).copied(),
        }
    }

    /// Returns the column of a key.
    pub fn column(&self, key: usize) -> Vec<f32> {
        let of =
            |map: &Matrix| (0..map.rows()).map(|row| map.get(row, key).unwrap_or(0.0)).collect::<Vec<_>>();
        match &self.body {
            Body::Whole(Whole { map, .. }) => of(map),
            Body::Preview(Preview { capture, head, size, .. }) => {
                let pieces = (0..size.0).step_by(FEW).map(|first| first..size.0.min(first + FEW));
                pieces.filter_map(|rows| capture.maps.rows(*head, rows)).flat_map(|rows| of(&rows)).collect()
            }
        }
    }

    /// Pools the weights of a region into at most (`down`, `across`) pixels. The second value is true if they
    /// are exact, false if they are a coarse preview.
    pub fn pool(&self, region: &paint::Region, (down, across): (usize, usize), how: Pool) -> (Matrix, bool) {
        match &self.body {
            Body::Whole(whole) => (whole.pool(region, (down, across), how), true),
            Body::Preview(preview) if region.rows.len() <= FEW => {
                let near = preview.near(region.rows.clone());
                let local = paint::Region::new(0..near.rows(), region.cols.clone());
                (paint::pool(&near, &local, down, across, how), true)
            }
            Body::Preview(preview) => (preview.coarse(region, (down, across), how), false),
        }
    }
}

/// A whole map.
#[derive(Debug)]
struct Whole {
    /// `[queries, keys]`.
    map: Matrix,
    large: bool,
    /// Bands for each [`Pool`], created on demand.
    bands: [OnceCell<Bands>; 2],
}

impl Whole {
    fn pool(&self, region: &paint::Region, (down, across): (usize, usize), how: Pool) -> Matrix {
        if !self.large {
            return paint::pool(&self.map, region, down, across, how);
        }
        let bands = self.bands[how as usize].get_or_init(|| Bands::of(&self.map, how));
        bands.pool(&self.map, region, (down, across))
    }
}

/// A preview of a map that is not computed yet.
struct Preview {
    capture: Arc<Capture>,
    head: Head,
    size: (usize, usize),
    /// True if `largest` and `mean` hold data of this head; otherwise they are blank.
    has_data: bool,
    /// True if the maxima of the rows are exact.
    exact_row_max: bool,
    /// Map pooled into few blocks by their maxima.
    largest: Matrix,
    /// Map pooled into few blocks by their means.
    mean: Matrix,
    /// Rows that were computed last.
    near: RefCell<Option<(Range<usize>, Matrix)>>,
}

impl std::fmt::Debug for Preview {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Preview of {}", self.head)
    }
}

impl Preview {
    /// Computes rows exactly. Rows computed by the last call are reused.
    fn near(&self, rows: Range<usize>) -> Matrix {
        let compute = |rows: Range<usize>| {
            self.capture.maps.rows(self.head, rows).unwrap_or_else(|| Matrix::new(0, self.size.1, Vec::new()))
        };
        let mut near = self.near.borrow_mut();
        if let Some((computed, map)) = near.as_ref() {
            if computed.start <= rows.start && rows.end <= computed.end {
                return map.part(rows.start - computed.start..rows.end - computed.start);
            }
            let common = computed.start.max(rows.start)..computed.end.min(rows.end);
            if !common.is_empty() && rows.len() > 1 {
                let (before, after) = (compute(rows.start..common.start), compute(common.end..rows.end));
                let shared = map.part(common.start - computed.start..common.end - computed.start);
                let data = [before.as_slice(), shared.as_slice(), after.as_slice()].concat();
                let map = Matrix::new(rows.len(), self.size.1, data);
                *near = Some((rows, map.clone()));
                return map;
            }
        }
        let map = compute(rows.clone());
        // A single row, such as the selected one, must not replace the rows of the window.
        if rows.len() > 1 || near.as_ref().is_none_or(|(computed, _)| computed.len() <= 1) {
            *near = Some((rows, map.clone()));
        }
        map
    }

    /// Stretches the pooled blocks over the pixels of a region.
    fn coarse(&self, region: &paint::Region, (down, across): (usize, usize), how: Pool) -> Matrix {
        let blocks = if how == Pool::Max { &self.largest } else { &self.mean };
        let block = |pixel: usize, pixels: usize, span: &Range<usize>, size: usize, blocks: usize| {
            let at = span.start + (2 * pixel + 1) * span.len() / (2 * pixels.max(1));
            cell_of(at.min(size.saturating_sub(1)), size, blocks)
        };
        let (down, across) = (down.min(region.rows.len()), across.min(region.cols.len()));
        let cols: Vec<usize> =
            (0..across).map(|col| block(col, across, &region.cols, self.size.1, blocks.cols())).collect();
        let mut data = Vec::with_capacity(down * across);
        for row in 0..down {
            let row = blocks.row(block(row, down, &region.rows, self.size.0, blocks.rows()));
            data.extend(cols.iter().map(|&col| row.get(col).copied().unwrap_or(0.0)));
        }
        Matrix::new(down, across, data)
    }
}
