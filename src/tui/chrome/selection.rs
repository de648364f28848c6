//! The selection line: kind, layer, head, and metrics of the head.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::site::Kind;
use crate::tui::app::App;
use crate::tui::command::Command;
use crate::tui::layout::{Hit, Layout};
use crate::tui::views::view;
use crate::tui::widgets::cells::{fit, put, width};

/// Draws the line.
pub fn draw(buf: &mut Buffer, area: Rect, app: &App, layout: &mut Layout) {
    let theme = &app.theme;
    let Some(capture) = &app.capture else { return };
    if let Some(header) = view::header(app) {
        put(
            buf,
            area,
            area.x + 1,
            area.y,
            &fit(&header, usize::from(area.width).saturating_sub(2)),
            theme.text(),
        );
        return;
    }
    let head = app.selection.head;
    let mut x = area.x + 1;
    for kind in capture.kinds() {
        let name = if area.width >= 60 { kind.name() } else { kind.name().get(..3).unwrap_or("") };
        let text = format!(" {name} ");
        let style = if kind == head.kind() { theme.selected() } else { theme.dim() };
        let end = put(buf, area, x, area.y, &text, style);
        layout.hit(Rect { x, y: area.y, width: end.saturating_sub(x), height: 1 }, Hit::Kind(kind));
        x = end;
    }
    if capture.kinds().is_empty() {
        put(buf, area, x, area.y, &capture.why_absent(Kind::Cross), theme.dim());
        return;
    }
    for (name, at, of, before, after) in [
        ("layer", head.layer(), app.layers(), Command::PreviousLayer, Command::NextLayer),
        ("head", head.head, app.heads(), Command::PreviousHead, Command::NextHead),
    ] {
        let name = if area.width >= 60 { format!("   {name} ") } else { format!(" {} ", &name[..1]) };
        x = put(buf, area, x, area.y, &name, theme.dim());
        for (text, style, command) in [
            ("◂ ".to_string(), theme.dim(), Some(before)),
            (at.to_string(), theme.accent(), None),
            (" ▸".to_string(), theme.dim(), Some(after)),
        ] {
            let end = put(buf, area, x, area.y, &text, style);
            if let Some(command) = command {
                layout.hit(
                    Rect { x, y: area.y, width: end.saturating_sub(x), height: 1 },
                    Hit::Command(command),
                );
            }
            x = end;
        }
        if area.width >= 100 {
            let range = format!(" of 0–{}", of.saturating_sub(1));
            x = put(buf, area, x, area.y, &range, theme.dim());
        }
    }
    let facts = facts(app);
    let room = usize::from(area.right().saturating_sub(x + 3));
    if let Some(text) = facts.iter().find(|text| width(text) <= room) {
        let x = area.right().saturating_sub(width(text) as u16 + 1);
        put(buf, area, x, area.y, text, theme.text());
    }
}

/// Describes the selected head by its metrics, the longest wording first.
fn facts(app: &App) -> Vec<String> {
    let Some(facts) = app.survey.heads.get(&app.selection.head) else { return Vec::new() };
    let metrics = &facts.metrics;
    let entropy = format!("entropy {:.2}", metrics.entropy);
    if let (Some(spread), Some(locality)) = (metrics.spread, metrics.locality) {
        let local = format!("{entropy} · locality {locality:.2}");
        let site = app.selection.head.site;
        if app.capture.as_ref().is_some_and(|capture| capture.window(site, 0).is_some()) {
            return vec![
                format!("within windows of patches · {local}"),
                format!("within windows · {local}"),
                format!("windows · {local}"),
                format!("windows · {entropy}"),
                "windows".into(),
            ];
        }
        return vec![
            format!("{entropy} nats · spread {spread:.0} pixels · locality {locality:.2}"),
            local,
            entropy,
        ];
    }
    let [mass, ratio] = [metrics.far_mass, metrics.far_ratio].map(|value| value.unwrap_or(0.0));
    let far = format!("far mass {mass:.2} ({ratio:.1}× uniform)");
    let d = app.reading.distance;
    let short = format!("{entropy} · far {mass:.2}");
    vec![format!("{entropy} nats · {far} beyond {d} tokens"), format!("{entropy} · {far}"), short, entropy]
}
