//! Commands that change the appearance of maps, in every view.

use crate::paint::{Colormap, Curve, GAMMAS, Range};
use crate::tui::app::App;
use crate::tui::axes::Axes;

/// Merges pieces into words, or keeps them apart.
pub fn words(app: &mut App) {
    app.reading.words = !app.reading.words;
    refresh(app);
}

/// Switches to the next treatment of special tokens.
pub fn special(app: &mut App) {
    app.reading.special = app.reading.special.next();
    refresh(app);
}

/// Recomputes the axes after a change of the reading.
fn refresh(app: &mut App) {
    if let Some(capture) = &app.capture {
        app.axes = Axes::new(capture, &app.reading);
    }
}

/// Switches to the next range of the scale.
pub fn range(app: &mut App) {
    let scale = &mut app.reading.scale;
    scale.range = next_of(Range::ALL, scale.range);
}

/// Switches to the next curve of the scale.
pub fn curve(app: &mut App) {
    let scale = &mut app.reading.scale;
    scale.curve = next_of(Curve::ALL, scale.curve);
}

/// Switches to the next smaller gamma.
pub fn brighter(app: &mut App) {
    let gamma = &mut app.reading.scale.gamma;
    *gamma = GAMMAS.into_iter().rfind(|smaller| smaller < gamma).unwrap_or(*gamma);
}

/// Switches to the next larger gamma.
pub fn darker(app: &mut App) {
    let gamma = &mut app.reading.scale.gamma;
    *gamma = GAMMAS.into_iter().find(|larger| larger > gamma).unwrap_or(*gamma);
}

/// Switches to the next colour map.
pub fn colormap(app: &mut App) {
    let sequential = &Colormap::ALL[..Colormap::ALL.len() - 1];
    app.theme.colormap = next_of(sequential, app.theme.colormap);
    app.notice = Some(format!("colours: {}", app.theme.colormap));
}

/// Switches between pixels and cells.
pub fn pixels(app: &mut App) {
    app.pixels.paused ^= true;
    let on = app.pixels.protocol().is_some();
    let notice = match (app.pixels.paused, on) {
        (true, _) => "drawn in cells",
        (false, true) => "drawn in pixels",
        (false, false) => "this terminal takes no pictures, as far as is known",
    };
    app.notice = Some(notice.into());
}

fn next_of<T: Copy + PartialEq>(all: &[T], now: T) -> T {
    let next = all.iter().position(|&item| item == now).map_or(0, |at| at + 1);
    all.get(next).or(all.first()).copied().unwrap_or(now)
}
