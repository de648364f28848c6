//! What drawing remembers between frames, so that no frame touches a whole map twice. It changes nothing
//! that is seen: with an empty cache the same frame is drawn, only later.

use std::rc::Rc;

use super::app::App;
use super::filter;
use super::reading::Special;
use super::zoom::Window;
use crate::capture::Score;
use crate::matrix::Matrix;
use crate::paint::{self, Pool, Range, Scale, pool};
use crate::site::Head;

/// A map as it is read, with its maxima.
#[derive(Debug)]
pub struct Sheet {
    /// `[query places, key places]`.
    pub map: Matrix,
    /// The largest weight of each row; of scores the largest size.
    pub row_max: Vec<f32>,
    /// The largest weight of the map.
    pub max: f32,
}

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

/// The last map and the last pixels.
#[derive(Default)]
pub struct Cache {
    sheet: Option<(SheetKey, Rc<Sheet>)>,
    pixels: Option<(SheetKey, Window, Pool, Rc<Matrix>)>,
}

impl Cache {
    /// The selected head's map as it is read; `None` where there is none.
    pub fn sheet(&mut self, app: &App) -> Option<Rc<Sheet>> {
        let key = sheet_key(app);
        if let Some((known, sheet)) = &self.sheet
            && *known == key
        {
            return Some(Rc::clone(sheet));
        }
        let map = filter::pictured(app).ok()?;
        let largest = if key.score.is_some() { size_of } else { max_of };
        let row_max: Vec<f32> = (0..map.rows()).map(|row| largest(map.row(row))).collect();
        let max = max_of(&row_max);
        let sheet = Rc::new(Sheet { map, row_max, max });
        self.sheet = Some((key, Rc::clone(&sheet)));
        Some(sheet)
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
            None => {
                let area = paint::Window::new(window.rows.clone(), window.cols.clone());
                let (rows, cols) = window.pixels;
                Rc::new(pool(&sheet.map, &area, rows, cols, app.reading.pool))
            }
        };
        self.pixels = Some((key, window.clone(), app.reading.pool, Rc::clone(&weights)));
        Pixels { weights: Matrix::clone(&weights), tops }
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
