//! The values that a step's text refers to: numbers and words taken from the maps and texts of its runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::step::{Lookup, TourStep};
use super::template::{TemplateValue, TemplateValues};
use super::words::{find_word, label_at};
use crate::analysis::links::{LinkFilter, links};
use crate::analysis::metrics::{FAR, HeadMetrics, head_metrics};
use crate::capture::Capture;
use crate::site::{Head, Kind, Site};

/// A head and, optionally, a row and a column of its map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// Head.
    pub head: Head,
    /// Row.
    pub query: Option<usize>,
    /// Column.
    pub key: Option<usize>,
}

/// Values and map locations that a step's text refers to, by name.
#[derive(Default)]
pub(super) struct StepValues {
    pub values: TemplateValues,
    pub locations: BTreeMap<String, Location>,
}

impl StepValues {
    pub fn number(&mut self, name: impl Into<String>, value: f64) {
        self.values.insert(name.into(), TemplateValue::Number(value));
    }

    pub fn text(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.values.insert(name.into(), TemplateValue::Text(value.into()));
    }

    /// Adds a run's values: its texts, their lengths, the mean probability of the target.
    pub fn add_run(&mut self, name: &str, model: &str, capture: &Capture) {
        self.text(format!("{name}.model"), model);
        self.text(format!("{name}.source"), capture.source.text.trim());
        self.text(format!("{name}.target"), capture.target.text.trim());
        self.number(format!("{name}.source_tokens"), capture.source.len() as f64);
        self.number(format!("{name}.target_tokens"), capture.target.len() as f64);
        if let Some(probability) = mean_probability(capture) {
            self.number(format!("{name}.probability"), probability);
        }
        if let Some(future) = future(capture) {
            self.number(format!("{name}.future"), future);
        }
    }

    /// Evaluates a step's lookups. Rows come last, because they refer to heads and links by name.
    pub fn add_lookups(&mut self, step: &TourStep, captures: &[Arc<Capture>]) -> Result<(), String> {
        let is_row = |lookup: &Lookup| matches!(lookup, Lookup::Row { .. });
        for rows in [false, true] {
            for (name, lookup) in step.lookups.iter().filter(|(_, lookup)| is_row(lookup) == rows) {
                self.add_lookup(name, lookup, captures).map_err(|why| format!("{name}: {why}"))?;
            }
        }
        Ok(())
    }

    fn add_lookup(&mut self, name: &str, lookup: &Lookup, captures: &[Arc<Capture>]) -> Result<(), String> {
        let capture = |run: &usize| captures.get(*run).ok_or_else(|| "its run is missing".to_string());
        match lookup {
            Lookup::Head { run, kind, layer, metric, largest } => {
                self.add_head(name, capture(run)?, *kind, *layer, metric, *largest)
            }
            Lookup::Link { run, kind, distance } => self.add_link(name, capture(run)?, *kind, *distance),
            Lookup::Row { run, head, word, predicts, key } => {
                let head =
                    self.locations.get(head).ok_or_else(|| format!("nothing is called '{head}'"))?.head;
                self.add_row(name, capture(run)?, head, (word, *predicts), key.as_deref())
            }
            Lookup::Count { run, kind, metric, least } => {
                let capture = capture(run)?;
                let heads = kind.map_or_else(|| capture.all_heads(), |kind| capture.heads_of(kind));
                let passing = heads.iter().filter_map(|&head| metrics(capture, head)?.get(metric));
                let count = passing.filter(|value| value >= least).count();
                self.number(name, count as f64);
                self.number(format!("{name}.of"), heads.len() as f64);
                Ok(())
            }
        }
    }

    fn add_head(
        &mut self,
        name: &str,
        capture: &Capture,
        kind: Kind,
        layer: Option<usize>,
        metric: &str,
        largest: bool,
    ) -> Result<(), String> {
        let heads =
            capture.heads_of(kind).into_iter().filter(|head| layer.is_none_or(|at| at == head.layer()));
        let measured = heads.filter_map(|head| {
            let metrics = metrics(capture, head)?;
            metrics.get(metric).map(|value| (head, value, metrics))
        });
        let is_better = |a: f32, b: f32| if largest { b > a } else { b < a };
        let best = measured.reduce(|best, next| if is_better(best.1, next.1) { next } else { best });
        let (head, _, metrics) = best.ok_or_else(|| capture.why_absent(kind))?;
        self.add_head_name(name, head);
        for (column, value) in HeadMetrics::COLUMNS.iter().zip(metrics.values()) {
            if let Some(value) = value {
                self.number(format!("{name}.{}", column.name), f64::from(value));
            }
        }
        let keys = capture.keys(kind);
        self.text(format!("{name}.sink_token"), label_at(keys, metrics.sink_key));
        let cell = strongest(capture, head);
        self.locations
            .insert(name.into(), Location { head, query: cell.map(|c| c.0), key: cell.map(|c| c.1) });
        Ok(())
    }

    fn add_link(&mut self, name: &str, capture: &Capture, kind: Kind, distance: usize) -> Result<(), String> {
        let filter = LinkFilter { min_distance: distance as f32, top: 1, ..LinkFilter::default() };
        let heads = capture.heads_of(kind);
        let maps = heads.iter().filter_map(|&head| Some((head, capture.map(head).ok()?, capture.axes(kind))));
        let link = links(maps, &filter).into_iter().next();
        let link = link.ok_or_else(|| format!("no {kind} link over {distance} tokens"))?;
        self.add_head_name(name, link.head);
        self.number(format!("{name}.weight"), f64::from(link.weight));
        if let Some(distance) = link.distance {
            self.number(format!("{name}.distance"), f64::from(distance).round());
        }
        self.text(format!("{name}.query"), label_at(capture.queries(kind), link.query));
        self.text(format!("{name}.key"), label_at(capture.keys(kind), link.key));
        // A run that keeps no vectors has no such values.
        let _ = self.add_vectors(name, capture, link.head, (link.query, link.key));
        let location = Location { head: link.head, query: Some(link.query), key: Some(link.key) };
        self.locations.insert(name.into(), location);
        Ok(())
    }

    fn add_row(
        &mut self,
        name: &str,
        capture: &Capture,
        head: Head,
        (word, predicts): (&str, bool),
        key: Option<&str>,
    ) -> Result<(), String> {
        let kind = head.kind();
        let rows = if predicts { &capture.target.items } else { capture.queries(kind) };
        let row = find_word(rows, word).ok_or_else(|| format!("'{word}' is not among the rows"))?.start;
        let map = capture.map(head).map_err(|error| error.to_string())?;
        let keys = capture.keys(kind);
        let weights = if row < map.rows() { map.row(row) } else { &[] };
        let best = weights.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(at, _)| at);
        let at = match key {
            Some(key) => find_word(keys, key).ok_or_else(|| format!("'{key}' is not among the keys"))?.start,
            None => best,
        };
        self.add_head_name(name, head);
        self.text(format!("{name}.key"), label_at(keys, at));
        self.text(format!("{name}.strongest"), label_at(keys, best));
        self.number(format!("{name}.weight"), f64::from(weights.get(at).copied().unwrap_or(0.0)));
        if let Some(prediction) = capture.predictions.get(row) {
            self.number(format!("{name}.probability"), f64::from(prediction.probability));
        }
        let _ = self.add_vectors(name, capture, head, (row, at));
        self.locations.insert(name.into(), Location { head, query: Some(row), key: Some(at) });
        Ok(())
    }

    /// Adds what the weight of a pair is computed from, where the run keeps it: the query and the key vector,
    /// their product, the score, its exponential and that of the whole row; the norm of the value, and the part of
    /// it that is read.
    fn add_vectors(
        &mut self,
        name: &str,
        capture: &Capture,
        head: Head,
        (query, key): (usize, usize),
    ) -> Option<()> {
        let compact = capture.compact(head.site).ok()?;
        let [query_vector, key_vector] = compact.vectors(head.head, query, key)?;
        let scores = capture.scores(head).ok()?;
        let score = f64::from(scores.get(query, key)?);
        let sum: f64 = scores.row(query).iter().map(|&score| f64::from(score).exp()).sum();
        let product: f32 = query_vector.iter().zip(key_vector).map(|(query, key)| query * key).sum();
        self.text(format!("{name}.query_vector"), beginning(query_vector));
        self.text(format!("{name}.key_vector"), beginning(key_vector));
        self.number(format!("{name}.width"), compact.width as f64);
        self.number(format!("{name}.product"), f64::from(product));
        self.number(format!("{name}.score"), score);
        self.number(format!("{name}.exp"), score.exp());
        self.number(format!("{name}.exp_sum"), sum);
        let norm = f64::from(capture.site_values(head.site).ok()?.norms.get(head.head, key)?);
        self.number(format!("{name}.value"), norm);
        self.number(format!("{name}.read"), score.exp() / sum * norm);
        self.add_weighted_sum(name, capture, head, (query, key))
    }

    /// Adds what the head writes for a row, its weighted sum of value vectors, with the terms that make it up: the
    /// value of the key, the largest terms and the sum of the others. Each vector is shown by its first numbers.
    fn add_weighted_sum(
        &mut self,
        name: &str,
        capture: &Capture,
        head: Head,
        (query, key): (usize, usize),
    ) -> Option<()> {
        let (map, values) = (capture.map(head).ok()?, capture.site_values(head.site).ok()?);
        let keys = capture.keys(head.kind());
        let mut terms: Vec<(usize, f32)> = map.row(query).iter().copied().enumerate().collect();
        terms.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let value = |key: usize| values.beginning(head.head, key);
        let sum = |terms: &[(usize, f32)]| {
            let mut sum = vec![0.0; value(key).map_or(0, <[f32]>::len)];
            for &(key, weight) in terms {
                sum.iter_mut().zip(value(key)?).for_each(|(sum, value)| *sum += weight * value);
            }
            Some(sum)
        };
        let (listed, others) = terms.split_at(terms.len().min(LARGEST_TERMS));
        let term = |&(key, weight): &(usize, f32)| {
            Some(format!("{weight:.2} × {} of \"{}\"", beginning(value(key)?), label_at(keys, key)))
        };
        self.text(format!("{name}.value_vector"), beginning(value(key)?));
        self.text(format!("{name}.terms"), listed.iter().map(term).collect::<Option<Vec<_>>>()?.join(" + "));
        self.number(format!("{name}.others"), others.len() as f64);
        self.text(format!("{name}.others_vector"), beginning(&sum(others)?));
        self.text(format!("{name}.z_vector"), beginning(&sum(&terms)?));
        Some(())
    }

    fn add_head_name(&mut self, name: &str, head: Head) {
        self.text(name, format!("layer {}, head {}", head.layer(), head.head));
    }
}

/// Number of terms of a weighted sum that are shown one by one.
const LARGEST_TERMS: usize = 2;

/// Formats the first numbers of a vector, `(0.12, −0.50, 1.33, …)`.
fn beginning(vector: &[f32]) -> String {
    /// As many as a capture keeps of a value vector.
    const FIRST: usize = 3;
    let numbers = vector.iter().take(FIRST).map(|value| format!("{value:.2}").replace('-', "−"));
    format!("({}, …)", numbers.collect::<Vec<_>>().join(", "))
}

fn metrics(capture: &Capture, head: Head) -> Option<HeadMetrics> {
    Some(head_metrics(&capture.map(head).ok()?, &capture.axes(head.kind()), FAR))
}

/// Returns the query and key of the largest weight of a map.
fn strongest(capture: &Capture, head: Head) -> Option<(usize, usize)> {
    let filter = LinkFilter { min_distance: 0.0, top: 1, sinks: true, ..LinkFilter::default() };
    let map = capture.map(head).ok()?;
    let link = links([(head, map, capture.axes(head.kind()))], &filter).into_iter().next()?;
    Some((link.query, link.key))
}

/// Returns the geometric mean of the probabilities of the target's tokens; `None` without predictions.
pub fn mean_probability(capture: &Capture) -> Option<f64> {
    let count = capture.predictions.len();
    let sum: f64 = capture.predictions.iter().map(|p| f64::from(p.probability.max(1e-12)).ln()).sum();
    (count > 0).then(|| (sum / count as f64).exp())
}

/// Returns the largest weight that any row of the decoder's self-attention gives to a later position.
fn future(capture: &Capture) -> Option<f64> {
    let mut largest: Option<f32> = None;
    for layer in 0..capture.layers(Kind::Decoder) {
        let site = Site::new(Kind::Decoder, layer);
        for map in (0..capture.heads(site)).filter_map(|head| capture.map(site.head(head)).ok()) {
            for row in 0..map.rows() {
                let ahead = map.row(row).get(row + 1..).unwrap_or_default();
                let top = ahead.iter().copied().fold(0.0, f32::max);
                largest = Some(largest.map_or(top, |known| known.max(top)));
            }
        }
    }
    largest.map(f64::from)
}
