//! A tour as plain text, for screen readers and pipes: words take the place of pictures.

use super::{head, kind, shown, shows_outputs};
use crate::capture::Capture;
use crate::export::labels::{Labels, site_title};
use crate::site::{Head, Kind};
use crate::tour::{PlayedStep, Plot, StepView, Tour, TourStep, mean_probability, plain};

/// Renders a tour; `played` has one entry per step.
pub fn text(tour: &Tour, played: &[PlayedStep]) -> String {
    let mut out = format!("{}\n", tour.title);
    for (number, (step, played)) in tour.steps.iter().zip(played).enumerate() {
        out += &format!("\n{}. {}\n\n", number + 1, step.title);
        out += &plain(&played.text);
        out += "\n\n";
        for line in picture(step, played) {
            out += &format!("{line}\n");
        }
    }
    let sources = tour.sources();
    if !sources.is_empty() {
        out += "\nSources\n\n";
    }
    for source in sources {
        out += &format!("{source}\n");
    }
    out
}

/// Describes what a step shows, one statement per line.
fn picture(step: &TourStep, played: &PlayedStep) -> Vec<String> {
    let Some(capture) = shown(step, played) else { return Vec::new() };
    if let Some(found) = played.plot.as_ref().filter(|_| step.view == StepView::Plot) {
        return plot(found);
    }
    if shows_outputs(step, capture) || step.view == StepView::Compare {
        return played.captures.iter().map(|capture| output(capture)).collect();
    }
    let Some(head) = head(played, capture) else { return Vec::new() };
    let mut lines = vec![output(capture)];
    match step.view {
        StepView::Grid | StepView::Heads => {
            let heads = capture.heads_of(kind(played, capture));
            lines.extend(heads.into_iter().filter_map(|head| row(capture, head, query(played))));
        }
        _ => lines.extend(row(capture, head, query(played))),
    }
    lines
}

fn query(played: &PlayedStep) -> usize {
    played.location.and_then(|location| location.query).unwrap_or(0)
}

/// Formats a run as `demo: "The cat." becomes "Le chat.", mean probability 0.83`
fn output(capture: &Capture) -> String {
    let sure = mean_probability(capture).map_or_else(String::new, |p| format!(", mean probability {p:.2}"));
    let (source, target) = (capture.source.text.trim(), capture.target.text.trim());
    format!("{}: \"{source}\" becomes \"{target}\"{sure}.", capture.model)
}

/// Formats a row as `In cross-attention, layer 2, head 4, the row "rouge → ." looks at: red 0.71, car 0.12.`
fn row(capture: &Capture, head: Head, query: usize) -> Option<String> {
    let map = capture.map(head).ok()?;
    let labels = Labels::of(capture, head.kind());
    let weights = (query < map.rows()).then(|| map.row(query))?;
    let mut best: Vec<(f32, usize)> = weights.iter().copied().zip(0..).collect();
    best.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let named = |&(weight, key): &(f32, usize)| Some(format!("{} {weight:.2}", labels.keys.get(key)?));
    let seen: Vec<String> = best.iter().take(LISTED).filter_map(named).collect();
    let (site, name) = (site_title(head.kind(), head.layer()), labels.queries.get(query)?);
    let row = if head.kind() == Kind::Encoder { "the word" } else { "the row" };
    Some(format!("In {site}, head {}, {row} \"{name}\" looks at: {}.", head.head, seen.join(", ")))
}

/// Number of keys listed per row.
const LISTED: usize = 3;

fn plot(plot: &Plot) -> Vec<String> {
    let line = |(at, distance): (usize, &usize)| {
        let drops = plot
            .series
            .iter()
            .map(|series| format!("{} {:.2}", series.model, series.drops.get(at).copied().unwrap_or(0.0)));
        format!("{distance} tokens apart, loss in nats: {}.", drops.collect::<Vec<_>>().join(", "))
    };
    plot.distances.iter().enumerate().map(line).collect()
}
