//! The text of a tour to its steps: Markdown with front matter in TOML between lines of `+++`, once a step.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::influence::{self, Influence};
use super::{Find, Picture, Run, Step, Tour};
use crate::analysis::metrics::HeadMetrics;
use crate::error::{Error, Result};
use crate::site::Kind;

/// The tour that the program carries.
const STEPS: [&str; 8] = [
    include_str!("../../assets/tour/1-one-vector.md"),
    include_str!("../../assets/tour/2-attention.md"),
    include_str!("../../assets/tour/3-self-attention.md"),
    include_str!("../../assets/tour/4-causal.md"),
    include_str!("../../assets/tour/5-cross-attention.md"),
    include_str!("../../assets/tour/6-many-heads.md"),
    include_str!("../../assets/tour/7-distance.md"),
    include_str!("../../assets/tour/8-try-it.md"),
];

/// The tour that the program carries (`assets/tour`).
///
/// # Errors
/// [`Error::BadFile`]; a test holds that there is none.
pub fn built_in() -> Result<Tour> {
    parse("assets/tour", &STEPS.join("\n"))
}

/// Reads a tour; `file` is its name in errors.
///
/// # Errors
/// [`Error::BadFile`], naming the step and what is wrong with it.
pub fn parse(file: &str, text: &str) -> Result<Tour> {
    let mut title = None;
    let mut steps = Vec::new();
    for (front, body) in blocks(file, text)? {
        let number = steps.len() + 1;
        let wrong = |why: String| Error::BadFile { file: file.into(), why: format!("step {number}: {why}") };
        let front: Front =
            toml::from_str(&front).map_err(|error| wrong(error.to_string().trim_end().to_string()))?;
        title = title.or(front.tour.clone());
        steps.push(front.step(&body).map_err(wrong)?);
    }
    if steps.is_empty() {
        return Err(Error::BadFile {
            file: file.into(),
            why: "no step: a step begins with front matter between two lines of +++".into(),
        });
    }
    Ok(Tour { title: title.unwrap_or_else(|| file.to_string()), steps })
}

const FENCE: &str = "+++";

/// Front matters and the texts after them.
fn blocks(file: &str, text: &str) -> Result<Vec<(String, String)>> {
    let mut blocks: Vec<(String, String)> = Vec::new();
    let mut in_front = false;
    for line in text.lines() {
        if line.trim_end() == FENCE {
            in_front = !in_front;
            if in_front {
                blocks.push(Default::default());
            }
        } else if let Some((front, body)) = blocks.last_mut() {
            let part = if in_front { front } else { body };
            part.push_str(line);
            part.push('\n');
        } else if !line.trim().is_empty() {
            return Err(Error::BadFile {
                file: file.into(),
                why: format!("text before the first front matter: \"{}\"", line.trim()),
            });
        }
    }
    if in_front {
        return Err(Error::BadFile {
            file: file.into(),
            why: "the last front matter has no closing +++".into(),
        });
    }
    Ok(blocks)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Front {
    tour: Option<String>,
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
    influence: Option<influence::Front>,
    #[serde(default)]
    sources: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontRun {
    name: String,
    model: String,
    source: String,
    target: Option<String>,
    beams: Option<usize>,
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

type Parsed<T> = std::result::Result<T, String>;

impl Front {
    fn step(self, body: &str) -> Parsed<Step> {
        if self.run.is_empty() {
            return Err("there is nothing to run".into());
        }
        let names: Vec<String> = self.run.iter().map(|run| run.name.clone()).collect();
        let run = |name: &str| {
            names
                .iter()
                .position(|known| known == name)
                .ok_or_else(|| format!("no run is called '{name}'; there are: {}", names.join(", ")))
        };
        let mut finds = BTreeMap::new();
        for (name, head) in self.head {
            let (metric, largest) = match (head.max, head.min) {
                (Some(metric), None) => (metric, true),
                (None, Some(metric)) => (metric, false),
                _ => return Err(format!("head.{name} needs either max or min")),
            };
            let find = Find::Head {
                run: run(&head.run)?,
                kind: kind(&head.kind)?,
                layer: head.layer,
                metric: known_metric(metric)?,
                largest,
            };
            finds.insert(name, find);
        }
        for (name, link) in self.link {
            let find = Find::Link { run: run(&link.run)?, kind: kind(&link.kind)?, distance: link.distance };
            finds.insert(name, find);
        }
        for (name, row) in self.row {
            let (word, predicts) = match (row.predicts, row.reads) {
                (Some(word), None) => (word, true),
                (None, Some(word)) => (word, false),
                _ => return Err(format!("row.{name} needs either predicts or reads")),
            };
            if !matches!(finds.get(&row.head), Some(Find::Head { .. } | Find::Link { .. })) {
                return Err(format!("row.{name}: no head or link is called '{}'", row.head));
            }
            finds.insert(
                name,
                Find::Row { run: run(&row.run)?, head: row.head, word, predicts, key: row.key },
            );
        }
        for (name, count) in self.count {
            let find = Find::Count {
                run: run(&count.run)?,
                kind: count.kind.as_deref().map(kind).transpose()?,
                metric: known_metric(count.metric)?,
                least: count.least,
            };
            finds.insert(name, find);
        }
        if let Some(at) = self.at.as_ref().filter(|at| !finds.contains_key(*at)) {
            return Err(format!("at = '{at}' names no head, link or row"));
        }
        Ok(Step {
            title: self.title,
            picture: picture(self.view.as_deref().unwrap_or("map"))?,
            show: self.show.as_deref().map_or(Ok(0), run)?,
            pin: self.pin.as_deref().map(run).transpose()?,
            at: self.at,
            own: self.own,
            finds,
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
                    target: run.target,
                    beams: run.beams,
                })
                .collect(),
        })
    }
}

fn kind(name: &str) -> Parsed<Kind> {
    name.parse()
}

fn known_metric(name: String) -> Parsed<String> {
    if HeadMetrics::COLUMNS.iter().any(|column| column.name == name) {
        return Ok(name);
    }
    let all: Vec<&str> = HeadMetrics::COLUMNS.iter().map(|column| column.name).collect();
    Err(format!("no metric is called '{name}'; there are: {}", all.join(", ")))
}

fn picture(name: &str) -> Parsed<Picture> {
    Ok(match name {
        "map" => Picture::Map,
        "text" => Picture::Text,
        "grid" => Picture::Grid,
        "heads" => Picture::Heads,
        "links" => Picture::Links,
        "flow" => Picture::Flow,
        "compare" => Picture::Compare,
        "outputs" => Picture::Outputs,
        "plot" => Picture::Plot,
        _ => {
            return Err(format!(
                "view '{name}' is none of map, text, grid, heads, links, flow, compare, outputs, plot"
            ));
        }
    })
}

/// Paragraphs with their lines joined, an empty line between them.
fn joined(body: &str) -> String {
    let paragraphs = body.split("\n\n").map(|paragraph| {
        paragraph.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
    });
    paragraphs.filter(|paragraph| !paragraph.is_empty()).collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "+++\ntour = \"T\"\ntitle = \"One\"\n[[run]]\nname = \"a\"\nmodel = \"demo\"\nsource = \"x\"\n\
                       [head.h]\nrun = \"a\"\nkind = \"encoder\"\nmax = \"entropy\"\n+++\nFirst\nline.\n\nSecond.\n";

    #[test]
    fn a_step_has_front_matter_and_paragraphs() {
        let tour = parse("t.md", ONE).unwrap();
        assert_eq!(tour.title, "T");
        let step = &tour.steps[0];
        assert_eq!(
            (step.text.as_str(), step.show, step.picture),
            ("First line.\n\nSecond.", 0, Picture::Map)
        );
        assert!(matches!(step.finds["h"], Find::Head { kind: Kind::Encoder, largest: true, .. }));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let why = |text: &str| parse("t.md", text).unwrap_err().to_string();
        assert!(why("").contains("no step"));
        assert!(why("hello").contains("hello"));
        assert!(why("+++\ntitle = \"x\"").contains("closing"));
        assert!(why(&ONE.replace("entropy", "beauty")).contains("beauty"));
        assert!(why(&ONE.replace("run = \"a\"", "run = \"b\"")).contains("no run is called 'b'"));
        assert!(why(&ONE.replace("tour = \"T\"", "colour = 1")).contains("colour"));
        assert!(why(&ONE.replace("tour = \"T\"", "view = \"moon\"")).contains("moon"));
        assert!(why(&ONE.replace("tour = \"T\"", "at = \"moon\"")).contains("moon"));
    }

    #[test]
    fn the_built_in_tour_has_eight_steps_of_two_to_five_sentences() {
        let tour = built_in().unwrap();
        assert_eq!(tour.steps.len(), 8);
        for step in &tour.steps {
            assert!(!step.sources.is_empty() || step.own, "{} cites nothing", step.title);
        }
    }
}
