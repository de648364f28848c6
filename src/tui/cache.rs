//! What drawing remembers between frames, so that no frame touches a whole map twice. It changes nothing
//! that is seen: with an empty cache the same frame is drawn, only later. Of maps that are too large to be
//! computed between two frames it shows what is known, and tells what it lacked.

use std::rc::Rc;
use std::sync::Arc;

use super::app::App;
use super::filter;
use super::reading::Special;
use super::sheet::Sheet;
use super::wish::{Granted, Lack, Wish};
use super::zoom::Window;
use crate::capture::Score;
use crate::matrix::Matrix;
use crate::paint::{self, Pool, Range, Scale};
use crate::site::Head;

/// The pixels of a window, and the weight painted as full in each row of them.
#[derive(Debug)]
pub struct Pixels {
    /// `[window.pixels.0, window.pixels.1]`.
    pub weights: Matrix,
    /// One a row of pixels.
    pub tops: Vec<f32>,
}

/// Everything that a map as it is read depends on.
#[derive(Clone, PartialEq)]
pub struct SheetKey {
    serial: u64,
    head: Head,
    words: bool,
    special: Special,
    filter: Option<String>,
    weighed: bool,
    score: Option<Score>,
}

/// The last map and the last pixels, and what large maps lack.
#[derive(Default)]
pub struct Cache {
    sheet: Option<(SheetKey, Rc<Sheet>)>,
    pixels: Option<(SheetKey, Window, Pool, Rc<Matrix>)>,
    lack: Option<Lack>,
    asked: Option<Lack>,
    granted: Option<Granted>,
}

impl Cache {
    /// The selected head's map as it is read; `None` where there is none.
    pub fn sheet(&mut self, app: &App) -> Option<Rc<Sheet>> {
        let key = sheet_key(app);
        if let Some((known, sheet)) = &self.sheet
            && *known == key
            && (sheet.is_whole() || !self.has_more(app, sheet))
        {
            return Some(Rc::clone(sheet));
        }
        self.pixels = None;
        let sheet = match Sheet::glimpse(app) {
            Some(glimpse) => glimpse,
            None => {
                let map = filter::pictured(app).ok()?;
                let largest: fn(&[f32]) -> f32 = if key.score.is_some() { size_of } else { max_of };
                let last = self.sheet.take().filter(|(known, _)| *known == key);
                let row_max = last.and_then(|(_, sheet)| sheet.told_row_max());
                Sheet::whole(map, row_max, largest, app.reading.pool)
            }
        };
        let sheet = Rc::new(sheet);
        self.sheet = Some((key, Rc::clone(&sheet)));
        Some(sheet)
    }

    /// Whether more is known of the selected map than when the sheet was made.
    fn has_more(&self, app: &App, sheet: &Sheet) -> bool {
        let head = app.place.head;
        app.capture.as_ref().is_some_and(|capture| capture.maps.is_there(head))
            || (sheet.is_blind() && app.survey.heads.contains_key(&head))
    }

    /// What a window of the selected head's map shows.
    pub fn pixels(&mut self, app: &App, sheet: &Sheet, window: &Window) -> Pixels {
        let scale = app.reading.scale;
        let key = sheet_key(app);
        let tops = (0..window.pixels.0)
            .map(|row| {
                let rows = sheet.row_max.get(window.rows_of(row)).unwrap_or(&[]);
                match key.score {
                    Some(_) => score_top(scale, max_of(rows), sheet.max),
                    None => scale.top(max_of(rows), sheet.max),
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
        Pixels { weights: Matrix::clone(&weights), tops }
    }

    fn pooled(&mut self, app: &App, sheet: &Sheet, window: &Window) -> Matrix {
        let area = paint::Region::new(window.rows.clone(), window.cols.clone());
        let (weights, own) = sheet.pool(&area, window.pixels, app.reading.pool);
        if sheet.is_whole() {
            return weights;
        }
        let (serial, head) = (app.serial, app.place.head);
        let fits = app.capture.as_ref().is_some_and(|capture| capture.maps.fits(head));
        let picture = (area, window.pixels, app.reading.pool);
        self.lack = match (fits, own) {
            (true, _) => Some(Lack { serial, head, picture: None }),
            (false, false) => Some(Lack { serial, head, picture: Some(picture.clone()) }),
            (false, true) => None,
        };
        let granted = self.granted.as_ref().filter(|granted| {
            let lack = &granted.lack;
            !own && (lack.serial, lack.head, lack.picture.as_ref()) == (serial, head, Some(&picture))
        });
        let Some(rows) = granted.and_then(|granted| granted.rows.as_ref()) else { return weights };
        let mut data = weights.as_slice().to_vec();
        data.iter_mut().zip(rows.as_slice()).for_each(|(pixel, &made)| *pixel = made);
        Matrix::new(weights.rows(), weights.cols(), data)
    }

    /// What the last frame lacked, unless it was told already.
    pub fn wish(&mut self, app: &App) -> Option<Wish> {
        let lack = self.lack.take()?;
        if self.asked.as_ref() == Some(&lack) {
            return None;
        }
        self.asked = Some(lack.clone());
        Some(Wish { lack, capture: Arc::clone(app.capture.as_ref()?) })
    }

    /// Takes what was made of a wish.
    pub fn take(&mut self, granted: Granted) {
        self.pixels = None;
        if granted.complete && self.asked.as_ref() == Some(&granted.lack) && granted.rows.is_none() {
            self.asked = None;
        }
        self.granted = Some(granted);
    }
}

/// The key of the selected head's map.
pub fn sheet_key(app: &App) -> SheetKey {
    SheetKey {
        serial: app.serial,
        head: app.place.head,
        words: app.reading.words,
        special: app.reading.special,
        weighed: app.is_weighed(),
        score: app.scored(),
        filter: app.sides.as_ref().map(|_| app.filter.text().to_string()),
    }
}

/// The score painted in full: the largest size of the row, or of the map where scores can have no top of 1.
pub fn score_top(scale: Scale, row: f32, map: f32) -> f32 {
    if scale.range == Range::Row { row } else { map }
}

/// The largest size of what is not masked.
fn size_of(scores: &[f32]) -> f32 {
    scores.iter().filter(|score| score.is_finite()).fold(0.0, |size, score| size.max(score.abs()))
}

/// The largest value; 0 where there is none. Lanes, so that the compiler may use the machine's vectors.
pub fn max_of(values: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let (chunks, rest) = values.as_chunks::<16>();
    let mut lanes = [0.0f32; 16];
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = larger(*lane, value);
        }
    }
    lanes.iter().chain(rest).fold(0.0, |max, &value| larger(max, value))
}
