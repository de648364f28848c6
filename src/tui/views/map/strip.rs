//! The recording above the columns of a map, and the path of time warping over it.

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::matrix::span_of;
use crate::tui::app::App;
use crate::tui::cache::WarpingPath;
use crate::tui::layout::{Layout, Picture, SpectrumPicture};
use crate::tui::theme::Theme;
use crate::tui::widgets::cells::put;
use crate::tui::widgets::timeline::loudness;
use crate::tui::zoom::Window;

/// Draws the spectrum of the visible frames, high frequencies at the top, and their loudness below it.
pub fn draw(buf: &mut Buffer, area: Rect, app: &App, window: &Window, layout: &mut Layout) {
    let Some(sound) = app.capture.as_ref().and_then(|capture| capture.sound.as_ref()) else { return };
    if area.height < 2 || sound.bands.cols() == 0 {
        return;
    }
    let (theme, height) = (&app.theme, area.height - 1);
    let glyphs = theme.draws_glyphs();
    // Half blocks have two rows of pixels in a line.
    let rows = usize::from(height) * if glyphs { 1 } else { 2 };
    let level = |frames: &Range<usize>, row: usize| {
        let bands = span_of(rows - 1 - row, sound.bands.cols(), rows);
        let values = frames.clone().flat_map(|frame| &sound.bands.row(frame)[bands.clone()]);
        let (sum, count) = values.fold((0f32, 0f32), |(sum, count), value| (sum + value, count + 1.0));
        sum / count.max(1.0)
    };
    let spectrum = Rect { x: window.area.x, width: window.pixels.1 as u16 * window.columns, height, ..area }
        .intersection(area);
    let pictured = app.shows_pixels() && app.pixels.take(spectrum, buf.area);
    let mut columns = vec![0..0; usize::from(spectrum.width)];
    for pixel in 0..window.pixels.1 {
        let units = app.keys().units.get(window.cols_of(pixel)).unwrap_or(&[]);
        let frames = units.iter().filter(|unit| unit.seconds.is_some());
        let (first, last) = frames.fold((usize::MAX, 0), |(first, last), unit| {
            (first.min(unit.tokens.start), last.max(unit.tokens.end))
        });
        let frames = first..last.min(sound.bands.rows());
        if frames.is_empty() {
            continue;
        }
        let peak = sound.peaks.get(frames.clone()).unwrap_or(&[]).iter().copied().fold(0.0, f32::max);
        for x in (0..window.columns).map(|column| window.area.x + pixel as u16 * window.columns + column) {
            if let Some(column) = columns.get_mut(usize::from(x.saturating_sub(spectrum.x))) {
                *column = frames.clone();
            }
            for line in (0..height).filter(|_| !pictured) {
                let y = area.y + line;
                let shade = |row: usize| theme.shade(level(&frames, row));
                let Some(cell) = buf.cell_mut((x, y)).filter(|_| x < area.right()) else { continue };
                if glyphs {
                    let shade = shade(usize::from(line));
                    cell.set_char(shade.glyph).set_style(theme.text());
                    continue;
                }
                let [upper, lower] = [0, 1].map(|half| shade(2 * usize::from(line) + half).color);
                cell.set_char('▀');
                if let (Some(upper), Some(lower)) = (upper, lower) {
                    cell.set_fg(upper).set_bg(lower);
                }
            }
            put(buf, area, x, area.y + height, loudness(peak), theme.dim());
        }
    }
    if pictured {
        layout.pictures.push(Picture::Spectrum(SpectrumPicture { area: spectrum, columns }));
    }
}

/// Draws the visible part of a path over the cells of the map.
pub fn draw_path(buf: &mut Buffer, path: &WarpingPath, window: &Window, theme: &Theme) {
    for (query, keys) in path {
        for key in keys.clone() {
            let Some((row, _)) = window.pixel_of(*query, key) else { continue };
            let y = window.area.y + (row / window.stacked) as u16 * window.lines + (window.lines - 1) / 2;
            let middle = window.x_of(key) + (window.columns - 1) / 2;
            if let Some(cell) = buf.cell_mut((middle, y)) {
                cell.set_char('•');
                if let Some(color) = theme.accent().fg {
                    cell.set_fg(color);
                }
            }
        }
    }
}
