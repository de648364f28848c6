//! Cache of drawing data between frames, so that no frame reads a whole map twice.
//!
//! The cache does not change what is drawn, only how fast. For maps that are too large to compute within a
//! frame it draws what is known and requests the rest ([`RenderRequest`]).

use std::rc::Rc;
use std::sync::{Arc, Weak};

use super::app::App;
use super::evidence_lines::RankAgreement;
use super::reading::{Special, max_of};
use super::render::{RenderJob, RenderRequest, RenderResult};
use super::selected;
use super::sheet::Sheet;
use super::views::compare::maps::ShownMaps;
use super::zoom::Window;
use crate::capture::{Capture, Score};
use crate::export::spoken::warping_path;
use crate::image::{Resampling, RgbPicture, resize};
use crate::matrix::Matrix;
use crate::paint::{self, Pool, Range, Scale};
use crate::site::{Head, Kind, RowEdit};

/// Pooled weights of a window.
#[derive(Debug)]
pub struct WindowPixels {
    /// One weight per pixel: `[window.pixels.0, window.pixels.1]`.
    pub weights: Matrix,
    /// Weight that gets the full colour, for each row of pixels.
    pub tops: Vec<f32>,
}

/// Everything that the displayed map depends on: equal keys mean equal maps.
#[derive(Clone, PartialEq)]
pub struct SheetKey {
    serial: u64,
    head: Head,
    words: bool,
    special: Special,
    filter: Option<String>,
    weighed: bool,
    score: Option<Score>,
    edits: Vec<RowEdit>,
}

/// The map and the pixels of the last frame, and the state of render requests.
#[derive(Default)]
pub struct Cache {
    sheet: Option<(SheetKey, Rc<Sheet>)>,
    pixels: Option<(SheetKey, Window, Pool, Rc<Matrix>)>,
    /// Request of the last frame.
    request: Option<RenderRequest>,
    /// Last request that was handed out.
    pending: Option<RenderRequest>,
    /// Last result.
    result: Option<RenderResult>,
    /// Path of time warping through the selected head's map, in places on its axes.
    path: Option<(SheetKey, Rc<WarpingPath>)>,
    /// Agreement of the selected map with leave-one-out, as a whole and in one of its rows.
    agreement: Option<(SheetKey, usize, Option<RankAgreement>)>,
    /// Maps that Compare showed last, with the captures and the head that they are of.
    compared: Option<(ComparedKey, Rc<ShownMaps>)>,
    /// The capture's picture in the size of the last frame, with the number of the capture.
    picture: Option<(u64, Rc<RgbPicture>)>,
}

/// A path through a map: the keys that it passes at each of its queries, as places on the axes.
pub type WarpingPath = Vec<(usize, std::ops::Range<usize>)>;

/// Number of the current capture, the pinned capture, and the head.
type ComparedKey = (u64, Weak<Capture>, Head);

impl Cache {
    /// Returns the selected head's map as it is displayed, or `None` if there is none.
    pub fn sheet(&mut self, app: &App) -> Option<Rc<Sheet>> {
        let key = sheet_key(app);
        if let Some((known, sheet)) = &self.sheet
            && *known == key
            && (sheet.is_whole() || !self.has_more(app, sheet))
        {
            return Some(Rc::clone(sheet));
        }
        self.pixels = None;
        let sheet = match Sheet::preview(app) {
            Some(glimpse) => glimpse,
            None => {
                let map = selected::pictured(app).ok()?;
                let largest: fn(&[f32]) -> f32 = if key.score.is_some() { size_of } else { max_of };
                let last = self.sheet.take().filter(|(known, _)| *known == key);
                let row_max = last.and_then(|(_, sheet)| sheet.exact_row_max());
                Sheet::whole(map, row_max, largest, app.reading.pool)
            }
        };
        let sheet = Rc::new(sheet);
        self.sheet = Some((key, Rc::clone(&sheet)));
        Some(sheet)
    }

    /// Returns the path of time warping through the selected head's map; empty if it does not show.
    pub fn path(&mut self, app: &App) -> Rc<WarpingPath> {
        let (key, head) = (sheet_key(app), app.selection.head);
        if let Some((_, path)) = self.path.as_ref().filter(|(known, _)| *known == key) {
            return Rc::clone(path);
        }
        let capture = app.capture.as_ref().filter(|_| head.kind() == Kind::Cross);
        let read = |capture: &Arc<Capture>| Some(warping_path(capture, &capture.map(head).ok()?));
        let place = |(row, keys): (usize, std::ops::Range<usize>)| {
            let end = app.keys().unit_of(keys.end.saturating_sub(1)) + 1;
            (app.queries().unit_of(row), app.keys().unit_of(keys.start)..end)
        };
        let path = Rc::new(capture.and_then(read).unwrap_or_default().into_iter().map(place).collect());
        self.path = Some((key, Rc::clone(&path)));
        path
    }

    /// Returns the agreement of the selected head's map with what the target loses without each source token;
    /// `None` if that is not known.
    pub fn agreement(&mut self, app: &App) -> Option<RankAgreement> {
        app.evidence.losses.as_ref()?;
        let (key, row) = (sheet_key(app), app.selection.target_query);
        let known = self.agreement.as_ref().filter(|(known, of, _)| *known == key && *of == row);
        if let Some((.., agreement)) = known {
            return *agreement;
        }
        let agreement = RankAgreement::of_head(app);
        self.agreement = Some((key, row, agreement));
        agreement
    }

    /// Returns the capture's picture, scaled to `width` x `height` pixels; `None` if it holds none.
    pub fn picture(&mut self, app: &App, [width, height]: [usize; 2]) -> Option<Rc<RgbPicture>> {
        let fits =
            |picture: &RgbPicture| (picture.width(), picture.height()) == (width.max(1), height.max(1));
        if let Some((serial, known)) = &self.picture
            && *serial == app.serial
            && fits(known)
        {
            return Some(Rc::clone(known));
        }
        let original = app.capture.as_ref()?.picture.as_ref()?;
        let scaled = Rc::new(resize(original, width, height, Resampling::Bilinear));
        self.picture = Some((app.serial, Rc::clone(&scaled)));
        Some(scaled)
    }

    /// Returns the selected head's maps in Compare; `None` without a comparison.
    pub fn compared(&mut self, app: &App) -> Option<Rc<ShownMaps>> {
        let pinned = Arc::downgrade(app.views.compare.pinned.as_ref()?);
        let head = app.selection.head;
        let same = |(serial, of, known): &ComparedKey| {
            *serial == app.serial
                && of.ptr_eq(&pinned)
                && *known == head
                && app.views.compare.known().is_some()
        };
        if let Some((_, maps)) = self.compared.as_ref().filter(|(key, _)| same(key)) {
            return Some(Rc::clone(maps));
        }
        let maps = Rc::new(ShownMaps::new(app, head)?);
        self.compared = Some(((app.serial, pinned, head), Rc::clone(&maps)));
        Some(maps)
    }

    /// Returns true if more is known about the selected map than when the sheet was made.
    fn has_more(&self, app: &App, sheet: &Sheet) -> bool {
        let head = app.selection.head;
        app.capture.as_ref().is_some_and(|capture| capture.maps.is_there(head))
            || (sheet.is_blank() && app.survey.heads.contains_key(&head))
    }

    /// Returns the pixels of a window of the selected head's map.
    pub fn pixels(&mut self, app: &App, sheet: &Sheet, window: &Window) -> WindowPixels {
        let scale = app.reading.scale;
        let key = sheet_key(app);
        let tops = (0..window.pixels.0)
            .map(|row| {
                let places = window.rows_of(row);
                let rows = sheet.row_max.get(places.clone()).unwrap_or(&[]);
                match key.score {
                    Some(_) => score_top(scale, max_of(rows), sheet.max),
                    None => scale.top(max_of(rows), sheet.max, app.keys_seen(places.end.saturating_sub(1))),
                }
            })
            .collect();
        let known =
            self.pixels.as_ref().filter(|(k, w, p, _)| *k == key && w == window && *p == app.reading.pool);
        let weights = match known {
            Some((.., weights)) => Rc::clone(weights),
            None => Rc::new(self.pooled(app, sheet, window)),
        };
        self.pixels = Some((key, window.clone(), app.reading.pool, Rc::clone(&weights)));
        WindowPixels { weights: Matrix::clone(&weights), tops }
    }

    fn pooled(&mut self, app: &App, sheet: &Sheet, window: &Window) -> Matrix {
        let area = paint::Region::new(window.rows.clone(), window.cols.clone());
        let (weights, exact) = sheet.pool(&area, window.pixels, app.reading.pool);
        if sheet.is_whole() {
            return weights;
        }
        let (serial, head) = (app.serial, app.selection.head);
        let fits = app.capture.as_ref().is_some_and(|capture| capture.maps.fits(head));
        let picture = (area, window.pixels, app.reading.pool);
        self.request = match (fits, exact) {
            (true, _) => Some(RenderRequest { serial, head, picture: None }),
            (false, false) => Some(RenderRequest { serial, head, picture: Some(picture.clone()) }),
            (false, true) => None,
        };
        let result = self.result.as_ref().filter(|result| {
            let request = &result.request;
            !exact
                && (request.serial, request.head, request.picture.as_ref()) == (serial, head, Some(&picture))
        });
        let Some(rows) = result.and_then(|result| result.rows.as_ref()) else { return weights };
        let mut data = weights.as_slice().to_vec();
        data.iter_mut().zip(rows.as_slice()).for_each(|(pixel, &rendered)| *pixel = rendered);
        Matrix::new(weights.rows(), weights.cols(), data)
    }

    /// Returns the job for the last frame's request, unless it was already handed out.
    pub fn render_job(&mut self, app: &App) -> Option<RenderJob> {
        let request = self.request.take()?;
        if self.pending.as_ref() == Some(&request) {
            return None;
        }
        self.pending = Some(request.clone());
        Some(RenderJob { request, capture: Arc::clone(app.capture.as_ref()?) })
    }

    /// Takes the result of a render job.
    pub fn take(&mut self, result: RenderResult) {
        self.pixels = None;
        if result.complete && self.pending.as_ref() == Some(&result.request) && result.rows.is_none() {
            self.pending = None;
        }
        self.result = Some(result);
    }
}

/// Returns the key of the selected head's map.
pub fn sheet_key(app: &App) -> SheetKey {
    SheetKey {
        serial: app.serial,
        head: app.selection.head,
        words: app.reading.words,
        special: app.reading.special,
        weighed: app.is_weighed(),
        score: app.scored(),
        edits: app.edits(app.selection.head).cloned().collect(),
        filter: app.views.map.filtered.as_ref().map(|_| app.filter.text().to_string()),
    }
}

/// Returns the score that gets the full colour: the largest absolute score of the row or, for every other
/// range, of the map.
pub fn score_top(scale: Scale, row: f32, map: f32) -> f32 {
    if scale.range == Range::Row { row } else { map }
}

/// Returns the largest absolute score that is not masked.
fn size_of(scores: &[f32]) -> f32 {
    scores.iter().filter(|score| score.is_finite()).fold(0.0, |size, score| size.max(score.abs()))
}
