//! What the text of a step can speak of: numbers of its runs' maps and texts.

use std::ops::Range;
use std::sync::Arc;

use super::play::Spot;
use super::template::{Value, Values};
use super::{Find, Step};
use crate::analysis::Context;
use crate::analysis::links::{LinkFilter, links};
use crate::analysis::metrics::{FAR, HeadMetrics, head_metrics};
use crate::capture::Capture;
use crate::site::{Head, Kind, Site};
use crate::text::label;
use crate::token::Token;

/// Why something could not be found.
pub(super) type Found<T> = Result<T, String>;

/// The values of one step, and the places that it has names for.
#[derive(Default)]
pub(super) struct Known {
    pub values: Values,
    pub spots: std::collections::BTreeMap<String, Spot>,
}

impl Known {
    pub fn number(&mut self, name: impl Into<String>, value: f64) {
        self.values.insert(name.into(), Value::Number(value));
    }

    pub fn text(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.values.insert(name.into(), Value::Text(value.into()));
    }

    /// What is known of a run: its texts, their lengths, how sure the model was.
    pub fn run(&mut self, name: &str, model: &str, capture: &Capture) {
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

    /// Finds what a step names: heads and links first, since rows are rows of theirs.
    pub fn finds(&mut self, step: &Step, captures: &[Arc<Capture>]) -> Found<()> {
        let late = |find: &Find| matches!(find, Find::Row { .. });
        for rows in [false, true] {
            for (name, find) in step.finds.iter().filter(|(_, find)| late(find) == rows) {
                self.find(name, find, captures).map_err(|why| format!("{name}: {why}"))?;
            }
        }
        Ok(())
    }

    fn find(&mut self, name: &str, find: &Find, captures: &[Arc<Capture>]) -> Found<()> {
        let capture = |run: &usize| captures.get(*run).ok_or_else(|| "its run is missing".to_string());
        match find {
            Find::Head { run, kind, layer, metric, largest } => {
                self.head(name, capture(run)?, *kind, *layer, metric, *largest)
            }
            Find::Link { run, kind, distance } => self.link(name, capture(run)?, *kind, *distance),
            Find::Row { run, head, word, predicts, key } => {
                let head = self.spots.get(head).ok_or_else(|| format!("nothing is called '{head}'"))?.head;
                self.row(name, capture(run)?, head, (word, *predicts), key.as_deref())
            }
            Find::Count { run, kind, metric, least } => {
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

    fn head(
        &mut self,
        name: &str,
        capture: &Capture,
        kind: Kind,
        layer: Option<usize>,
        metric: &str,
        largest: bool,
    ) -> Found<()> {
        let heads =
            capture.heads_of(kind).into_iter().filter(|head| layer.is_none_or(|at| at == head.layer()));
        let measured = heads.filter_map(|head| {
            let metrics = metrics(capture, head)?;
            metrics.get(metric).map(|value| (head, value, metrics))
        });
        let better = |a: f32, b: f32| if largest { b > a } else { b < a };
        let best = measured.reduce(|best, next| if better(best.1, next.1) { next } else { best });
        let (head, _, metrics) = best.ok_or_else(|| capture.why_absent(kind))?;
        self.place(name, head);
        for (column, value) in HeadMetrics::COLUMNS.iter().zip(metrics.values()) {
            if let Some(value) = value {
                self.number(format!("{name}.{}", column.name), f64::from(value));
            }
        }
        let keys = capture.keys(kind);
        self.text(format!("{name}.sink_token"), word_at(keys, metrics.sink_key));
        let cell = strongest(capture, head, 0.0);
        self.spots.insert(name.into(), Spot { head, query: cell.map(|c| c.0), key: cell.map(|c| c.1) });
        Ok(())
    }

    fn link(&mut self, name: &str, capture: &Capture, kind: Kind, distance: usize) -> Found<()> {
        let filter = LinkFilter { min_distance: distance as f32, top: 1, ..LinkFilter::default() };
        let heads = capture.heads_of(kind);
        let maps =
            heads.iter().filter_map(|&head| Some((head, capture.map(head).ok()?, context(capture, kind))));
        let link = links(maps, &filter).into_iter().next();
        let link = link.ok_or_else(|| format!("no {kind} link over {distance} tokens"))?;
        self.place(name, link.head);
        self.number(format!("{name}.weight"), f64::from(link.weight));
        self.number(format!("{name}.distance"), f64::from(link.distance).round());
        self.text(format!("{name}.query"), word_at(capture.queries(kind), link.query));
        self.text(format!("{name}.key"), word_at(capture.keys(kind), link.key));
        let spot = Spot { head: link.head, query: Some(link.query), key: Some(link.key) };
        self.spots.insert(name.into(), spot);
        Ok(())
    }

    fn row(
        &mut self,
        name: &str,
        capture: &Capture,
        head: Head,
        (word, predicts): (&str, bool),
        key: Option<&str>,
    ) -> Found<()> {
        let kind = head.kind();
        let rows = if predicts { &capture.target.tokens } else { capture.queries(kind) };
        let row = find_word(rows, word).ok_or_else(|| format!("'{word}' is not among the rows"))?.start;
        let map = capture.map(head).map_err(|error| error.to_string())?;
        let keys = capture.keys(kind);
        let weights = if row < map.rows() { map.row(row) } else { &[] };
        let best = weights.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(at, _)| at);
        let at = match key {
            Some(key) => find_word(keys, key).ok_or_else(|| format!("'{key}' is not among the keys"))?.start,
            None => best,
        };
        self.place(name, head);
        self.text(format!("{name}.key"), word_at(keys, at));
        self.text(format!("{name}.strongest"), word_at(keys, best));
        self.number(format!("{name}.weight"), f64::from(weights.get(at).copied().unwrap_or(0.0)));
        if let Some(prediction) = capture.predictions.get(row) {
            self.number(format!("{name}.probability"), f64::from(prediction.probability));
        }
        self.spots.insert(name.into(), Spot { head, query: Some(row), key: Some(at) });
        Ok(())
    }

    fn place(&mut self, name: &str, head: Head) {
        self.text(name, format!("layer {}, head {}", head.layer(), head.head));
    }
}

fn context(capture: &Capture, kind: Kind) -> Context<'_> {
    Context::new(kind, capture.queries(kind), capture.keys(kind))
}

fn metrics(capture: &Capture, head: Head) -> Option<HeadMetrics> {
    Some(head_metrics(&capture.map(head).ok()?, &context(capture, head.kind()), FAR))
}

/// The strongest cell of a map between words at least so far apart; the first row's where there is none.
fn strongest(capture: &Capture, head: Head, distance: f32) -> Option<(usize, usize)> {
    let filter = LinkFilter { min_distance: distance, top: 1, sinks: true, ..LinkFilter::default() };
    let map = capture.map(head).ok()?;
    let link = links([(head, map, context(capture, head.kind()))], &filter).into_iter().next()?;
    Some((link.query, link.key))
}

/// The label of a token; empty beyond the text.
fn word_at(tokens: &[Token], at: usize) -> String {
    tokens.get(at).map(|token| label(&token.piece)).unwrap_or_default()
}

/// The tokens that spell a word, the last time that it occurs.
pub(super) fn find_word(tokens: &[Token], word: &str) -> Option<Range<usize>> {
    let spelt = |start: usize| {
        let mut text = String::new();
        for (end, token) in tokens.iter().enumerate().skip(start) {
            text.push_str(&label(&token.piece));
            if text == word {
                return Some(start..end + 1);
            }
            if !word.starts_with(&text) {
                return None;
            }
        }
        None
    };
    (0..tokens.len()).rev().find_map(spelt)
}

/// The geometric mean of the probabilities of the target's tokens.
pub fn mean_probability(capture: &Capture) -> Option<f64> {
    let count = capture.predictions.len();
    let sum: f64 = capture.predictions.iter().map(|p| f64::from(p.probability.max(1e-12)).ln()).sum();
    (count > 0).then(|| (sum / count as f64).exp())
}

/// The largest weight that any row of the decoder's self-attention gives to what comes after it.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_over_their_pieces() {
        let pieces = ["▁fat", "ig", "uée", "▁et", "▁fat", "ig", "ué", "."];
        let tokens: Vec<Token> =
            pieces.iter().map(|piece| Token { id: 0, piece: piece.to_string(), special: false }).collect();
        assert_eq!(find_word(&tokens, "fatiguée"), Some(0..3));
        assert_eq!(find_word(&tokens, "fatigué"), Some(4..7));
        assert_eq!(find_word(&tokens, "et"), Some(3..4));
        assert_eq!(find_word(&tokens, "fat"), Some(4..5));
        assert_eq!(find_word(&tokens, "chat"), None);
    }
}
