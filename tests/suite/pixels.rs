//! Maps as pixels: colours and positions, and text cells while an overlay covers them.

use attn_tui::config::PixelProtocol as Choice;
use attn_tui::site::Kind;
use attn_tui::tui::cache::Cache;
use attn_tui::tui::layout::Picture;
use attn_tui::tui::pixels::{PaintedPicture, PixelGraphics, paint};
use attn_tui::tui::theme::LEVELS;

use crate::made;
use crate::screens::Driver;

fn zoomed_out() -> Driver {
    let mut driver = Driver::over(made::sentence(), (100, 30));
    driver.app.pixels =
        PixelGraphics { choice: Choice::Kitty, cell: Some((10, 20)), ..PixelGraphics::default() };
    driver.press("z");
    driver
}

#[test]
fn the_cells_under_a_picture_are_empty() {
    let mut driver = zoomed_out();
    let buffer = driver.draw();
    assert!(driver.app.layout.pictures.len() == 1);
    let area = driver.app.layout.window.clone().unwrap().area;
    assert!(area.positions().all(|at| buffer[at].symbol() == " " && buffer[at].bg == Default::default()));
    driver.press("?");
    driver.draw();
    assert!(driver.app.layout.pictures.is_empty(), "cells while the help is open");
    driver.press("<esc>G");
    driver.draw();
    assert!(driver.app.layout.pictures.is_empty(), "glyphs were asked for");
    driver.press("G<ctrl-g>");
    assert!(driver.app.layout.pictures.is_empty(), "cells were asked for");
    driver.press("<ctrl-g>");
    driver.draw();
    assert!(driver.app.layout.pictures.len() == 1);
}

#[test]
fn pixels_have_the_colours_of_their_weights() {
    let mut driver = zoomed_out();
    driver.draw();
    let app = &driver.app;
    let window = app.layout.window.clone().unwrap();
    let painted = paint::paint(app, &mut Cache::default(), &Picture::Map(window.clone())).unwrap();
    let PaintedPicture::Indexed(picture) = painted else { panic!("a palette") };
    assert_eq!(picture.width, usize::from(window.area.width) * 10);
    assert_eq!(picture.height, usize::from(window.area.height) * 20);
    let map = app.map(app.selection.head).unwrap();
    let (rows, cols) = (map.rows(), map.cols());
    let painted = window.pixels.0 * 10;
    let max = map.as_slice().iter().copied().fold(0.0, f32::max);
    let mut seen = 0;
    for row in (0..rows).filter(|&row| row != app.query()) {
        let row_max = map.row(row).iter().copied().fold(0.0, f32::max);
        for col in (0..cols).filter(|&col| col != app.key()) {
            let weight = map.get(row, col).unwrap();
            let scale = app.reading.scale;
            let level = scale.unit(weight, scale.top(row_max, max, app.keys_seen(row)));
            let level = if weight < app.reading.threshold { 0.0 } else { level };
            let shade = 1 + (level * (LEVELS - 1) as f32).round() as u8;
            let masked = app.selection.head.kind() == Kind::Decoder && col > row;
            let wanted = if masked { 0 } else { shade };
            let (y, x) = ((2 * row + 1) * painted / (2 * rows), (2 * col + 1) * picture.width / (2 * cols));
            assert_eq!(picture.pixels[y * picture.width + x], wanted, "row {row}, key {col}");
            seen += 1;
        }
    }
    assert!(seen > 20);
    let cursor = LEVELS as u8 + 1;
    let y = (2 * app.query() + 1) * painted / (2 * rows);
    let line = &picture.pixels[y * picture.width..(y + 1) * picture.width];
    assert!(line.iter().filter(|&&pixel| pixel == cursor).count() > picture.width / 5, "a dashed line");
    assert_eq!(picture.palette[usize::from(cursor)], app.theme.palette.selected_ground);
}
