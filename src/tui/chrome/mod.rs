//! The whole screen: the view, and the frame around it:
//!
//! ```text
//! attn-tui  demo · marian 3+3 × 6 heads                 Map Text Grid …   title
//! encoder decoder [cross]   layer ◂ 2 ▸   head ◂ 4 ▸    entropy …         selection
//! …                                                                        the view
//! jouent → dans .74 · playing · 0.143 · 2nd of 12 · 3 apart                the value in words
//! ←→↑↓ move  [ ] head  …                                                   keys, or work under way
//! ```

mod ablation;
mod bare;
mod footer;
mod progress;
mod selection;
mod title;
pub mod tour;
mod value;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::app::App;
use super::cache::Cache;
use super::layout::Layout;
use super::overlays;
use super::views::view;
use super::widgets::cells::part;

/// Draws the whole screen and returns its layout. A pure function of the state; `cache` only saves work.
pub fn draw(app: &App, cache: &mut Cache, buf: &mut Buffer) -> Layout {
    let area = buf.area;
    let mut layout = Layout { screen: area, ..Layout::default() };
    if area.is_empty() {
        return layout;
    }
    let (top, bottom) = margins(area);
    if top == 2 {
        title::draw(buf, part(area, 0, 0, area.width, 1), app, &mut layout);
    }
    if top > 0 {
        selection::draw(buf, part(area, 0, top - 1, area.width, 1), app, &mut layout);
    }
    let (body, panel) = tour::split(app, body(area));
    let off = ablation::height(app, body.height);
    ablation::draw(buf, part(body, 0, body.height - off, body.width, off), app, &mut layout);
    let body = part(body, 0, 0, body.width, body.height - off);
    layout.view = body;
    match &app.capture {
        None => progress::opening(buf, body, app),
        Some(capture) if capture.kinds().is_empty() && app.view.info().needs_maps => {
            bare::draw(buf, body, app, capture);
        }
        Some(_) => view::draw(app, body, buf, cache, &mut layout),
    }
    if let Some(panel) = panel {
        tour::panel(buf, panel, app);
    }
    if bottom > 0 {
        value::draw(buf, part(area, 0, area.height - bottom, area.width, 1), app, cache);
    }
    if bottom > 1 {
        footer::draw(buf, part(area, 0, area.height - 1, area.width, 1), app, &mut layout);
    }
    overlays::draw(buf, area, app, &mut layout);
    layout
}

/// Returns the number of lines above and below the view, fewer on small screens.
fn margins(screen: Rect) -> (u16, u16) {
    match screen.height {
        0..=2 => (0, 0),
        3..=5 => (0, 1),
        6..=8 => (1, 1),
        _ => (2, 2),
    }
}

/// Returns the part of the screen between the lines above and below.
fn body(screen: Rect) -> Rect {
    let (top, bottom) = margins(screen);
    part(screen, 0, top, screen.width, screen.height - top - bottom)
}
