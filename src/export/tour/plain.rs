//! A tour as plain text, to be read aloud: what pictures show is said in words.

use super::{head, kind, says_outputs, shown};
use crate::capture::Capture;
use crate::export::labels::{Labels, site_title};
use crate::site::{Head, Kind};
use crate::tour::{Picture, Played, Plot, Step, Tour, mean_probability, plain};

/// The whole tour, `played` having one entry a step.
pub fn text(tour: &Tour, played: &[Played]) -> String {
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

/// What a step's picture shows, a line a fact.
fn picture(step: &Step, played: &Played) -> Vec<String> {
    let Some(capture) = shown(step, played) else { return Vec::new() };
    if let Some(found) = played.plot.as_ref().filter(|_| step.picture == Picture::Plot) {
        return plot(found);
    }
    if says_outputs(step, capture) || step.picture == Picture::Compare {
        return played.captures.iter().map(|capture| output(capture)).collect();
    }
    let Some(head) = head(played, capture) else { return Vec::new() };
    let mut lines = vec![output(capture)];
    match step.picture {
        Picture::Grid | Picture::Heads => {
            let heads = capture.heads_of(kind(played, capture));
            lines.extend(heads.into_iter().filter_map(|head| row(capture, head, query(played))));
        }
        _ => lines.extend(row(capture, head, query(played))),
    }
    lines
}

fn query(played: &Played) -> usize {
    played.spot.and_then(|spot| spot.query).unwrap_or(0)
}

/// `demo: "The cat." becomes "Le chat.", mean probability 0.83`
fn output(capture: &Capture) -> String {
    let sure = mean_probability(capture).map_or_else(String::new, |p| format!(", mean probability {p:.2}"));
    let (source, target) = (capture.source.text.trim(), capture.target.text.trim());
    format!("{}: \"{source}\" becomes \"{target}\"{sure}.", capture.model)
}

/// `In cross-attention, layer 2, head 4, the row "rouge → ." looks at: red 0.71, car 0.12, . 0.05.`
fn row(capture: &Capture, head: Head, query: usize) -> Option<String> {
    let map = capture.map(head).ok()?;
    let labels = Labels::of(capture, head.kind());
    let weights = (query < map.rows()).then(|| map.row(query))?;
    let mut best: Vec<(f32, usize)> = weights.iter().copied().zip(0..).collect();
    best.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let named = |&(weight, key): &(f32, usize)| Some(format!("{} {weight:.2}", labels.keys.get(key)?));
    let seen: Vec<String> = best.iter().take(SAID).filter_map(named).collect();
    let (site, name) = (site_title(head.kind(), head.layer()), labels.queries.get(query)?);
    let asks = if head.kind() == Kind::Encoder { "the word" } else { "the row" };
    Some(format!("In {site}, head {}, {asks} \"{name}\" looks at: {}.", head.head, seen.join(", ")))
}

/// Keys of a row that are said.
const SAID: usize = 3;

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
