//! The TOML front matter of a step and its conversion to a [`TourStep`].

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::influence::{Case, Influence};
use super::run::Run;
use super::step::{Lookup, StepView, TourStep};
use crate::analysis::metrics::HeadMetrics;
use crate::site::Kind;

/// Front matter as it is written; `docs/reference/tour.md` documents the fields.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FrontMatter {
    pub(super) tour: Option<String>,
    title: String,
    #[serde(default)]
    view: Option<String>,
    show: Option<String>,
    pin: Option<String>,
    at: Option<String>,
    #[serde(default)]
    own: bool,
    run: Vec<FrontRun>,
    #[serde(default)]
    head: BTreeMap<String, FrontHead>,
    #[serde(default)]
    link: BTreeMap<String, FrontLink>,
    #[serde(default)]
    row: BTreeMap<String, FrontRow>,
    #[serde(default)]
    count: BTreeMap<String, FrontCount>,
    influence: Option<FrontInfluence>,
    #[serde(default)]
    sources: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontRun {
    name: String,
    model: String,
    #[serde(default)]
    source: String,
    image: Option<PathBuf>,
    target: Option<String>,
    beams: Option<usize>,
    #[serde(default)]
    vectors: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontHead {
    run: String,
    kind: String,
    layer: Option<usize>,
    max: Option<String>,
    min: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontLink {
    run: String,
    kind: String,
    distance: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontRow {
    run: String,
    head: String,
    predicts: Option<String>,
    reads: Option<String>,
    key: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontCount {
    run: String,
    kind: Option<String>,
    metric: String,
    least: f32,
}

impl FrontMatter {
    /// Converts the front matter and the text below it into a step. The error says what is wrong.
    pub(super) fn step(self, body: &str) -> Result<TourStep, String> {
        if self.run.is_empty() {
            return Err("it has no [[run]]".into());
        }
        let names: Vec<String> = self.run.iter().map(|run| run.name.clone()).collect();
        let run = |name: &str| {
            names
                .iter()
                .position(|known| known == name)
                .ok_or_else(|| format!("no run is called '{name}'; there are: {}", names.join(", ")))
        };
        let mut lookups = BTreeMap::new();
        let unique = |lookups: &BTreeMap<String, Lookup>, name: &str| match lookups.contains_key(name) {
            true => Err(format!("two lookups are called '{name}'")),
            false => Ok(()),
        };
        for (name, head) in self.head {
            let (metric, largest) = match (head.max, head.min) {
                (Some(metric), None) => (metric, true),
                (None, Some(metric)) => (metric, false),
                _ => return Err(format!("head.{name} needs either max or min")),
            };
            let lookup = Lookup::Head {
                run: run(&head.run)?,
                kind: kind(&head.kind)?,
                layer: head.layer,
                metric: known_metric(metric)?,
                largest,
            };
            lookups.insert(name, lookup);
        }
        for (name, link) in self.link {
            unique(&lookups, &name)?;
            let lookup =
                Lookup::Link { run: run(&link.run)?, kind: kind(&link.kind)?, distance: link.distance };
            lookups.insert(name, lookup);
        }
        for (name, row) in self.row {
            unique(&lookups, &name)?;
            let (word, predicts) = match (row.predicts, row.reads) {
                (Some(word), None) => (word, true),
                (None, Some(word)) => (word, false),
                _ => return Err(format!("row.{name} needs either predicts or reads")),
            };
            if !matches!(lookups.get(&row.head), Some(Lookup::Head { .. } | Lookup::Link { .. })) {
                return Err(format!("row.{name}: no head or link is called '{}'", row.head));
            }
            lookups.insert(
                name,
                Lookup::Row { run: run(&row.run)?, head: row.head, word, predicts, key: row.key },
            );
        }
        for (name, count) in self.count {
            unique(&lookups, &name)?;
            let lookup = Lookup::Count {
                run: run(&count.run)?,
                kind: count.kind.as_deref().map(kind).transpose()?,
                metric: known_metric(count.metric)?,
                least: count.least,
            };
            lookups.insert(name, lookup);
        }
        if let Some(at) =
            self.at.as_ref().filter(|at| matches!(lookups.get(*at), None | Some(Lookup::Count { .. })))
        {
            return Err(format!("at = '{at}' names no head, link or row"));
        }
        Ok(TourStep {
            title: self.title,
            view: view(self.view.as_deref().unwrap_or("map"))?,
            show: self.show.as_deref().map_or(Ok(0), run)?,
            pin: self.pin.as_deref().map(run).transpose()?,
            at: self.at,
            own: self.own,
            lookups,
            influence: self.influence.map(Influence::try_from).transpose()?,
            text: joined(body),
            sources: self.sources,
            runs: self
                .run
                .into_iter()
                .map(|run| Run {
                    name: run.name,
                    model: run.model,
                    source: run.source,
                    image: run.image,
                    target: run.target,
                    beams: run.beams,
                    vectors: run.vectors,
                })
                .collect(),
        })
    }
}

fn kind(name: &str) -> Result<Kind, String> {
    name.parse()
}

fn known_metric(name: String) -> Result<String, String> {
    if HeadMetrics::COLUMNS.iter().any(|column| column.name == name) {
        return Ok(name);
    }
    let all: Vec<&str> = HeadMetrics::COLUMNS.iter().map(|column| column.name).collect();
    Err(format!("no metric is called '{name}'; there are: {}", all.join(", ")))
}

fn view(name: &str) -> Result<StepView, String> {
    Ok(match name {
        "map" => StepView::Map,
        "text" => StepView::Text,
        "grid" => StepView::Grid,
        "heads" => StepView::Heads,
        "links" => StepView::Links,
        "flow" => StepView::Flow,
        "compare" => StepView::Compare,
        "outputs" => StepView::Outputs,
        "plot" => StepView::Plot,
        _ => {
            return Err(format!(
                "view '{name}' is not one of map, text, grid, heads, links, flow, compare, outputs, plot"
            ));
        }
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontInfluence {
    models: Vec<String>,
    near: String,
    source: String,
    between: Vec<FrontBetween>,
    pair: Vec<FrontPair>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontBetween {
    distance: usize,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontPair {
    word: String,
    changed: String,
    target: String,
}

impl TryFrom<FrontInfluence> for Influence {
    type Error = String;

    fn try_from(front: FrontInfluence) -> Result<Self, String> {
        if front.models.is_empty() || front.between.is_empty() || front.pair.is_empty() {
            return Err("influence needs models, between and pair".into());
        }
        for placeholder in ["{between}", "{word}"] {
            if !front.source.contains(placeholder) {
                return Err(format!("influence.source has no {placeholder}"));
            }
        }
        let source = |between: &FrontBetween, word: &str| {
            front.source.replace("{between}", &between.text).replace("{word}", word)
        };
        let case = |between: &FrontBetween, pair: &FrontPair| Case {
            distance: between.distance,
            source: source(between, &pair.word),
            changed: source(between, &pair.changed),
            target: pair.target.clone(),
        };
        let cases =
            front.between.iter().flat_map(|between| front.pair.iter().map(move |pair| (between, pair)));
        let cases = cases.map(|(between, pair)| case(between, pair)).collect();
        Ok(Self { models: front.models, near: front.near, cases })
    }
}

/// Joins the lines of each paragraph; paragraphs stay separated by an empty line.
fn joined(body: &str) -> String {
    let paragraphs = body.split("\n\n").map(|paragraph| {
        paragraph.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
    });
    paragraphs.filter(|paragraph| !paragraph.is_empty()).collect::<Vec<_>>().join("\n\n")
}
