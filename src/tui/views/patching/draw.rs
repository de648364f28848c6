//! Drawing of Patching: the effects of one kind of site, by layer and head or by layer and position.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::effects::{ShownEffects, labelled};
use super::geometry::PatchingLayout;
use super::state::{PatchingCommand, corrupt_source};
use crate::axis::Medium;
use crate::paint::{Pool, Region, pool};
use crate::tui::app::App;
use crate::tui::command::Command;
use crate::tui::layout::{Hit, Layout, ViewHit};
use crate::tui::views::{ViewCommand, ViewId};
use crate::tui::widgets::axis;
use crate::tui::widgets::bar::signed_legend;
use crate::tui::widgets::cells::{fit, fit_right, part, put, wrap};
use crate::tui::widgets::heat::{Heat, short};
use crate::tui::widgets::rule::rule;

/// Draws the view.
pub fn draw(buf: &mut Buffer, area: Rect, app: &App, layout: &mut Layout) {
    let Some(shown) = ShownEffects::new(app) else {
        let columns = usize::from(area.width.saturating_sub(4));
        for (y, line) in (area.y + 1..area.bottom()).zip(wrap(&message(app), columns)) {
            put(buf, area, area.x + 2, y, &line, app.theme.text());
        }
        return;
    };
    let Some(places) = PatchingLayout::new(app, area, &shown) else { return };
    let line = part(area, 0, 0, area.width, 1);
    let corrupt = corrupt_source(app).unwrap_or_default();
    let title = format!("corrupt: {corrupt}");
    rule(buf, line, &[(1, &fit(&title, usize::from(line.width).saturating_sub(30)))], &app.theme);
    signed_legend(buf, line, &app.theme, shown.largest);
    let at = shown.cursor(app);
    axis::draw(buf, places.columns, &shown.columns, &places.window, &places.flags, at.1, &app.theme);
    layers(buf, &places, &shown, app, at.0);
    let window = &places.window;
    let region = Region::new(window.rows.clone(), window.cols.clone());
    let pixels = pool(&shown.map, &region, window.pixels.0, window.pixels.1, Pool::Max);
    Heat {
        pixels: &pixels,
        tops: &vec![shown.largest; window.pixels.0],
        window,
        scale: app.reading.scale,
        signed: true,
        number: short_effect,
        threshold: 0.0,
        causal: None,
        cursor: at,
        theme: &app.theme,
    }
    .draw(buf);
    layout.hit(window.area, Hit::View(ViewHit::Map));
    layout.window = Some(places.window);
}

/// Formats an effect in four columns, `+.12` or `-1.7`; nothing if it rounds to less than 0.01.
fn short_effect(effect: f32) -> String {
    let size = short(effect.abs());
    match effect.abs() {
        large if large >= 0.995 => format!("{effect:+.1}"),
        _ if size.is_empty() => size,
        _ => format!("{}{size}", if effect > 0.0 { "+" } else { "-" }),
    }
}

/// Says what is to be done where there are no effects.
fn message(app: &App) -> String {
    let key = |command| app.first_key(Command::View(ViewCommand::Patching(command)));
    let (measure, typed) = (key(PatchingCommand::Measure), key(PatchingCommand::Corrupt));
    let kind = app.views.patching.kind;
    if app.run.info.is_none() {
        return "A capture file has no model that could run with activations of another run.".into();
    }
    match app.run.medium() {
        Medium::Text => {}
        Medium::Sound => return "Only runs on texts are patched, and this model hears.".into(),
        Medium::Picture => {
            return format!(
                "Only runs on texts are patched, and this model sees. In Map and Text, {} covers the selected patch of \
                 the picture and runs the model again; {} then shows what changes.",
                app.first_key(Command::Cover),
                ViewId::Compare.name(),
            );
        }
    }
    match (labelled(app), corrupt_source(app)) {
        (Some(_), _) => "Both runs score the target the same: there is nothing to restore.".into(),
        (None, Some(corrupt)) => format!(
            "This run is the clean one; the corrupt source is \"{corrupt}\" ({typed} types another). {measure} takes \
             {kind} of this run into the corrupt one, one at a time, forced to the target of this run, and shows which \
             share of the difference each restores.",
        ),
        (None, None) => format!(
            "This run is the clean one. {typed} types the source of a corrupt run, for example with one word \
             replaced; if another capture is pinned ({}), its source is the corrupt one. {measure} then takes heads, \
             residual stream, feed-forward blocks, weights or the encoder's output of this run into the corrupt one, \
             one at a time, and shows which share of the difference each restores.",
            app.first_key(Command::Pin),
        ),
    }
}

fn layers(buf: &mut Buffer, places: &PatchingLayout, shown: &ShownEffects, app: &App, selected: usize) {
    let (theme, window, gutter) = (&app.theme, &places.window, places.gutter);
    for y in 0..window.area.height {
        if y % window.lines != (window.lines - 1) / 2 {
            continue;
        }
        let layer = window.rows_of(window.pixels_at(y).start).start;
        let here = layer == selected;
        let style = if here { theme.accent() } else { theme.text() };
        let y = gutter.y + y;
        put(buf, gutter, gutter.x, y, if here { "▸" } else { " " }, theme.accent());
        let label = fit_right(shown.layers.label(layer), usize::from(gutter.width).saturating_sub(2));
        put(buf, gutter, gutter.x + 1, y, &label, style);
    }
}

/// Describes the activations and the scores of both runs: the line above the view.
pub fn header(app: &App) -> String {
    let view = &app.views.patching;
    let Some(shown) = ShownEffects::new(app) else { return format!("patching: {}", view.kind) };
    let effects = &shown.labelled.effects;
    let rows = if view.one_row { "row" } else { "target" };
    format!(
        "patching: {}, {} · log p of the {rows}: clean {:.2}, corrupt {:.2}",
        view.kind, shown.kind, effects.clean, effects.corrupt
    )
}

/// Describes the effect under the cursor, the longest wording first.
pub fn value(app: &App) -> Option<Vec<String>> {
    let shown = ShownEffects::new(app)?;
    let (row, column) = shown.cursor(app);
    let effect = shown.map.get(row, column).filter(|effect| effect.is_finite());
    let labelled = &shown.labelled;
    let name = match labelled.kind.is_of_heads() {
        true => format!("{} of {}.{row}.{column}", labelled.kind, shown.kind),
        false => {
            format!(
                "{} {}, {}: {}",
                shown.kind,
                labelled.kind,
                shown.layers.label(row),
                shown.columns.label(column)
            )
        }
    };
    let Some(effect) = effect else {
        return Some(vec![format!("{name}: has no counterpart in the other run")]);
    };
    let change = effect * (labelled.effects.clean - labelled.effects.corrupt);
    let corrupt = labelled.effects.corrupt;
    Some(vec![
        format!("{name}: effect {effect:+.4} · log p {corrupt:.3} → {:.3}", corrupt + change),
        format!("{name}: {effect:+.4}"),
        format!("{effect:+.4}"),
    ])
}
