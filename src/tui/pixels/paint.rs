//! Painting of the pictures of a frame.

use ratatui::layout::Rect;

use super::{IndexedImage, PaintedPicture, Protocol, lines, media};
use crate::matrix::cell_of;
use crate::tui::app::App;
use crate::tui::cache::{Cache, SheetKey, sheet_key};
use crate::tui::layout::Picture;
use crate::tui::reading::Reading;
use crate::tui::theme::{LEVELS, Theme};
use crate::tui::views::map::draw::heat;
use crate::tui::zoom::Window;

/// Everything that a picture depends on: equal keys mean equal pictures.
#[derive(Clone, PartialEq)]
pub struct Key {
    /// Protocol that sends the picture.
    pub protocol: Protocol,
    /// Screen area of the picture.
    pub area: Rect,
    screen: Rect,
    cell: (usize, usize),
    picture: Picture,
    cursor: (usize, usize),
    reading: Reading,
    theme: Theme,
    sheet: SheetKey,
}

impl Key {
    /// Creates the key of a picture.
    pub fn new(app: &App, protocol: Protocol, picture: &Picture, screen: Rect) -> Self {
        Self {
            protocol,
            area: picture.area(),
            screen,
            cell: app.pixels.cell(),
            picture: picture.clone(),
            cursor: (app.query(), app.key()),
            reading: app.reading,
            theme: app.theme.clone(),
            sheet: sheet_key(app),
        }
    }
}

/// Paints a picture in as many pixels as its cells have. Returns `None` where there is nothing to paint.
pub fn paint(app: &App, cache: &mut Cache, picture: &Picture) -> Option<PaintedPicture> {
    let (cell, theme) = (app.pixels.cell(), &app.theme);
    match picture {
        Picture::Map(window) => map(app, cache, window).map(PaintedPicture::Indexed),
        Picture::Lines(picture) => Some(PaintedPicture::Indexed(lines::paint(picture, cell, theme))),
        Picture::Source(picture) => media::lit(app, cache, picture).map(PaintedPicture::Rgb),
        Picture::Spectrum(picture) => {
            let sound = app.capture.as_ref()?.sound.as_ref()?;
            Some(PaintedPicture::Indexed(media::spectrum(picture, sound, cell, theme)))
        }
    }
}

/// Palette index of the cursor, after the shades.
const CURSOR: u8 = LEVELS as u8 + 1;

/// Paints the visible part of the map, with a crosshair at the cursor. Returns `None` without a map.
fn map(app: &App, cache: &mut Cache, window: &Window) -> Option<IndexedImage> {
    let sheet = cache.sheet(app)?;
    let (cell_width, cell_height) = app.pixels.cell();
    let (width, height) =
        (usize::from(window.area.width) * cell_width, usize::from(window.area.height) * cell_height);
    let (fine, painted) = window.fine((cell_width, cell_height));
    if fine.pixels.0 == 0 || fine.pixels.1 == 0 {
        return None;
    }
    let weights = cache.pixels(app, &sheet, &fine);
    let heat = heat(app, &weights, &fine);
    let steps = (LEVELS - 1) as f32;
    let index = |level: f32| 1 + (level.clamp(0.0, 1.0) * steps).round() as u8;
    let mut picture = IndexedImage { width, height, pixels: vec![0; width * height], palette: vec![[0; 3]] };
    picture.palette.extend((0..LEVELS).map(|step| app.theme.colormap.color(step as f32 / steps)));
    picture.palette.push(app.theme.palette.selected_ground);
    let mut line: Vec<u8> = Vec::new();
    let mut of = None;
    for (y, row) in picture.pixels.chunks_mut(width).enumerate().take(painted) {
        let at = cell_of(y, painted, fine.pixels.0);
        if of != Some(at) {
            line = (0..fine.pixels.1).map(|col| heat.level_at(at, col).map_or(0, index)).collect();
            of = Some(at);
        }
        for (x, pixel) in row.iter_mut().enumerate() {
            *pixel = line.get(cell_of(x, width, fine.pixels.1)).copied().unwrap_or(0);
        }
    }
    if let Some((row, col)) = fine.pixel_of(app.query(), app.key()) {
        let middle = |at: usize, of: usize, pixels: usize| (2 * at + 1) * pixels / (2 * of);
        let down = (middle(row, fine.pixels.0, painted), painted.div_ceil(fine.pixels.0));
        let across = (middle(col, fine.pixels.1, width), width.div_ceil(fine.pixels.1));
        cross(&mut picture, painted, down, across);
    }
    Some(picture)
}

/// Draws the cursor: dashed lines along its row and column, between which weights stay visible, and a frame
/// around its weight. `down` and `across` hold the centre and the size of that weight in pixels.
fn cross(picture: &mut IndexedImage, height: usize, down: (usize, usize), across: (usize, usize)) {
    /// Minimum distance of the frame from the centre.
    const LEAST: usize = 3;
    let (width, (y, tall), (x, wide)) = (picture.width, down, across);
    let (tall, wide) = ((tall / 2).max(LEAST), (wide / 2).max(LEAST));
    let mut dot = |x: usize, y: usize| {
        if x < width
            && y < height
            && let Some(pixel) = picture.pixels.get_mut(y * width + x)
        {
            *pixel = CURSOR;
        }
    };
    let dashed = |at: usize| at % 8 < 3;
    (0..width).filter(|&at| dashed(at) && at.abs_diff(x) > wide).for_each(|at| dot(at, y));
    (0..height).filter(|&at| dashed(at) && at.abs_diff(y) > tall).for_each(|at| dot(x, at));
    for at in x.saturating_sub(wide)..=x + wide {
        dot(at, y.saturating_sub(tall));
        dot(at, y + tall);
    }
    for at in y.saturating_sub(tall)..=y + tall {
        dot(x.saturating_sub(wide), at);
        dot(x + wide, at);
    }
}
