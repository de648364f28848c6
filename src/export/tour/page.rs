//! A tour as one self-contained HTML page.

use super::{head, kind, plot, shown, shows_outputs};
use crate::capture::Capture;
use crate::error::Result;
use crate::export::figure::{Figure, FigureStyle, scene};
use crate::export::font::Fonts;
use crate::export::svg::{self, escaped};
use crate::tour::{Emphasis, PlayedStep, StepView, Tour, TourStep, mean_probability, spans};

const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>";

const STYLE: &str = "</title>\n<style>
:root { color-scheme: light dark; --ink: #18181b; --dim: #63636c; --paper: #fff; --line: #d8d8de; --accent: #a63c0a; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8ec; --dim: #a0a1aa; --paper: #121317; --line: #3e404a; --accent: #ff9650; }
}
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.25rem 4rem; background: var(--paper); color: var(--ink);
  font: 1.06rem/1.6 system-ui, 'DejaVu Sans', sans-serif; }
h1 { line-height: 1.2; }
h2 { margin-top: 3.5rem; padding-top: 1.5rem; border-top: 1px solid var(--line); }
p { max-width: 44rem; }
em { color: var(--accent); font-style: normal; font-weight: 600; }
figure { margin: 1.5rem 0; overflow-x: auto; }
figure svg { max-width: 100%; height: auto; border-radius: 6px; }
table { border-collapse: collapse; }
th, td { text-align: left; vertical-align: top; padding: .35rem 1.2rem .35rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 500; color: var(--dim); white-space: nowrap; }
nav ol, .sources { color: var(--dim); }
a { color: inherit; }
</style>\n";

/// Renders a tour; `played` has one entry per step.
///
/// # Errors
/// [`crate::error::Error::NoSuchHead`] if a step shows a head that the capture lacks.
pub fn page(tour: &Tour, played: &[PlayedStep], style: &FigureStyle, fonts: &Fonts) -> Result<String> {
    let title = escaped(&tour.title);
    let mut out = format!("{HEAD}{title}{STYLE}<h1>{title}</h1>\n<nav><ol>\n");
    for (number, step) in tour.steps.iter().enumerate() {
        out += &format!("<li><a href=\"#step-{}\">{}</a></li>\n", number + 1, escaped(&step.title));
    }
    out += "</ol></nav>\n";
    for (number, (step, played)) in tour.steps.iter().zip(played).enumerate() {
        let number = number + 1;
        out += &format!("<section>\n<h2 id=\"step-{number}\">{number}. {}</h2>\n", escaped(&step.title));
        for paragraph in played.text.split("\n\n") {
            out += &format!("<p>{}</p>\n", marked(paragraph));
        }
        for picture in pictures(step, played, style, fonts)? {
            out += &format!("<figure>\n{picture}</figure>\n");
        }
        out += "</section>\n";
    }
    let sources = tour.sources();
    if !sources.is_empty() {
        out += "<h2>Sources</h2>\n<ul class=\"sources\">\n";
        sources.iter().for_each(|source| out += &format!("<li>{}</li>\n", linked(source)));
        out += "</ul>\n";
    }
    Ok(out + "</html>\n")
}

/// Escapes a paragraph and marks its emphasis.
fn marked(paragraph: &str) -> String {
    let part = |(emphasis, text): (Emphasis, &str)| match emphasis {
        Emphasis::Plain => escaped(text),
        Emphasis::Strong => format!("<em>{}</em>", escaped(text)),
    };
    spans(paragraph).into_iter().map(part).collect()
}

/// Escapes a line and turns the web addresses in it into links.
fn linked(line: &str) -> String {
    let word = |word: &str| {
        let word = escaped(word);
        if word.starts_with("https://") { format!("<a href=\"{word}\">{word}</a>") } else { word }
    };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Renders what a step shows: SVG pictures, or a table of outputs.
fn pictures(step: &TourStep, played: &PlayedStep, style: &FigureStyle, fonts: &Fonts) -> Result<Vec<String>> {
    let Some(capture) = shown(step, played) else { return Ok(Vec::new()) };
    let draw = |capture: &Capture, view| Ok(svg::render(&scene(capture, view, style, fonts)?));
    if let Some(found) = played.plot.as_ref().filter(|_| step.view == StepView::Plot) {
        return Ok(vec![svg::render(&plot::scene(found))]);
    }
    if shows_outputs(step, capture) {
        return Ok(vec![outputs(played)]);
    }
    let Some(head) = head(played, capture) else { return Ok(Vec::new()) };
    let query = played.location.and_then(|location| location.query);
    Ok(match step.view {
        StepView::Grid | StepView::Heads => vec![draw(capture, Figure::Grid(kind(played, capture)))?],
        StepView::Text => vec![draw(capture, Figure::Passage(head, query))?],
        StepView::Compare => {
            let all = played.captures.iter().filter(|capture| capture.map(head).is_ok());
            let mut pictures: Vec<String> =
                all.map(|capture| draw(capture, Figure::Map(head))).collect::<Result<_>>()?;
            pictures.insert(0, outputs(played));
            pictures
        }
        _ => vec![draw(capture, Figure::Map(head))?],
    })
}

/// Renders a table with the source and output of each run.
fn outputs(played: &PlayedStep) -> String {
    let mut out = String::from(
        "<table>\n<tr><th>model</th><th>source</th><th>output</th><th>mean probability</th></tr>\n",
    );
    for capture in &played.captures {
        let sure = mean_probability(capture).map_or_else(String::new, |p| format!("{p:.2}"));
        out += &format!(
            "<tr><th>{}</th><td>{}</td><td>{}</td><td>{sure}</td></tr>\n",
            escaped(&capture.model),
            escaped(capture.source.text.trim()),
            escaped(capture.target.text.trim()),
        );
    }
    out + "</table>\n"
}
