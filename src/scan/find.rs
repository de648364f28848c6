//! Exemplars: the sentences of a scan in which a head does something most.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use super::measures::FarLink;
use super::named::NamedPlaces;
use super::opened::Scan;
use super::rows::{link, sentence_head};
use crate::analysis::links::Link;
use crate::analysis::metrics::HeadMetrics;
use crate::analysis::places::Places;
use crate::error::{Error, Result};
use crate::export::tables::{HEAD_COLUMNS, LINK_COLUMNS};
use crate::progress::Watch;
use crate::site::Head;

/// Filter and order of exemplars.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExemplarFilter {
    /// The head; `None` for all heads.
    pub head: Option<Head>,
    /// Queries of the link, by their words, tokens or positions; empty for any. A decoder row goes by the token
    /// that it is fed and by the one that it predicts.
    pub query: Places,
    /// Keys of the link, given in the same way.
    pub key: Places,
    /// Smallest distance of the link, in positions.
    pub min_distance: f32,
    /// Smallest weight of the link.
    pub min_weight: f32,
    /// Role that the head must have in the sentence.
    pub role: Option<String>,
    /// Metric by which exemplars are ordered, largest first; `None` for the weight of the link.
    pub by: Option<String>,
    /// Tokens of a query and of a key. Links with both of them come first, then those with one of them, then all
    /// others.
    pub like: Option<[String; 2]>,
    /// Number of exemplars.
    pub top: usize,
}

/// A sentence in which a head does something.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// Number of the row in the corpus, from 0.
    pub sentence: i64,
    /// The head.
    pub head: Head,
    /// Number of tokens that its link shares with [`ExemplarFilter::like`]. More come first.
    pub shared: usize,
    /// The value by which exemplars are ordered.
    pub score: f32,
    /// The head's strongest far link in the sentence that passes the filter, if there is one.
    pub link: Option<FarLink>,
    /// The source; empty for a recording or a picture.
    pub source: String,
    /// File of a recording or a picture.
    pub media: Option<String>,
    /// The target.
    pub target: String,
    /// True if the target was generated.
    pub generated: bool,
    /// The source's tokens.
    pub source_tokens: Vec<String>,
    /// The target's tokens.
    pub target_tokens: Vec<String>,
    /// The tokens that the decoder was fed.
    pub decoder_tokens: Vec<String>,
    /// Number of the file that the sentence stands in.
    part: usize,
}

impl ExemplarFilter {
    /// Returns true if the filter is about links.
    fn needs_link(&self) -> bool {
        self.by.is_none()
            || !self.query.is_empty()
            || !self.key.is_empty()
            || self.min_distance > 0.0
            || self.min_weight > 0.0
    }

    fn keeps_link(&self, link: &Link) -> bool {
        link.distance.is_none_or(|distance| distance >= self.min_distance) && link.weight >= self.min_weight
    }

    /// Counts the tokens that a link shares with the one whose like is wanted.
    fn shared(&self, link: &FarLink) -> usize {
        let Some([query, key]) = &self.like else { return 0 };
        let same_query = link.query_token == *query || link.predicted.as_ref() == Some(query);
        usize::from(same_query) + usize::from(link.key_token == *key)
    }

    fn keeps_head(&self, head: Head) -> bool {
        self.head.is_none_or(|wanted| wanted == head)
    }
}

/// Finds the best exemplars, best first; of equal ones the first in the corpus. A head has at most one in each
/// sentence. Memory: one file of the scan.
///
/// # Errors
/// [`Error::Usage`] for an unknown metric; [`Error::NoSuchHead`]; [`Error::Cancelled`]; those of the files.
pub fn find(scan: &Scan, filter: &ExemplarFilter, watch: &dyn Watch) -> Result<Vec<Exemplar>> {
    if let Some(by) = &filter.by
        && !HeadMetrics::COLUMNS.iter().any(|column| column.name == by)
    {
        let names: Vec<_> = HeadMetrics::COLUMNS.iter().map(|column| column.name).collect();
        return Err(Error::Usage(format!("no such metric: {by}; the metrics are {}", names.join(", "))));
    }
    if let Some(head) = filter.head {
        scan.check(head)?;
    }
    let mut best: Vec<Exemplar> = Vec::new();
    for part in 0..scan.parts() {
        watch.check()?;
        best.extend(of_part(scan, part, filter)?);
        best.sort_by(order);
        best.truncate(filter.top);
    }
    add_texts(scan, &mut best)?;
    Ok(best)
}

fn order(a: &Exemplar, b: &Exemplar) -> Ordering {
    b.shared
        .cmp(&a.shared)
        .then_with(|| b.score.total_cmp(&a.score))
        .then_with(|| (a.sentence, a.head).cmp(&(b.sentence, b.head)))
}

/// Finds the exemplars of one file, without their texts.
fn of_part(scan: &Scan, part: usize, filter: &ExemplarFilter) -> Result<Vec<Exemplar>> {
    let scores = match filter.by.is_some() || filter.role.is_some() {
        true => Some(head_scores(scan, part, filter)?),
        false => None,
    };
    let exemplar = |(sentence, head): (i64, Head), score, link: Option<FarLink>| Exemplar {
        sentence,
        head,
        shared: link.as_ref().map_or(0, |link| filter.shared(link)),
        score,
        link,
        source: String::new(),
        media: None,
        target: String::new(),
        generated: false,
        source_tokens: Vec::new(),
        target_tokens: Vec::new(),
        decoder_tokens: Vec::new(),
        part,
    };
    let mut all: Vec<Exemplar> = Vec::new();
    let mut seen: HashMap<(i64, Head), usize> = HashMap::new();
    let mut named = NamedPlaces::read(scan, part, [&filter.query, &filter.key])?;
    let columns: Vec<&str> = ["sentence"].into_iter().chain(HEAD_COLUMNS).chain(LINK_COLUMNS).collect();
    let links = scan.read("links", part, &columns)?;
    for row in 0..links.rows() {
        let Some(place) = sentence_head(&links, row).filter(|(_, head)| filter.keeps_head(*head)) else {
            continue;
        };
        let Some(link) = link(&links, row, place.1) else { continue };
        if !filter.keeps_link(&link.link) || !named.keep(place.0, &link.link) {
            continue;
        }
        let score = match &scores {
            None => Some(link.link.weight),
            Some(scores) => scores.get(&place).map(|score| score.unwrap_or(link.link.weight)),
        };
        let Some(score) = score else { continue };
        let new = exemplar(place, score, Some(link));
        match seen.get(&place).and_then(|&at| all.get_mut(at)) {
            None => {
                seen.insert(place, all.len());
                all.push(new);
            }
            // The links of a head come strongest first.
            Some(known) if new.shared > known.shared => *known = new,
            Some(_) => {}
        }
    }
    if !filter.needs_link() {
        let others = scores.into_iter().flatten().filter(|(place, _)| !seen.contains_key(place));
        all.extend(others.filter_map(|(place, score)| Some(exemplar(place, score?, None))));
    }
    Ok(all)
}

/// Returns the heads that pass the filter, with the value to order them by; `None` to order by the link.
fn head_scores(
    scan: &Scan,
    part: usize,
    filter: &ExemplarFilter,
) -> Result<HashMap<(i64, Head), Option<f32>>> {
    let mut columns: Vec<&str> = ["sentence"].into_iter().chain(HEAD_COLUMNS).chain(["role"]).collect();
    columns.extend(filter.by.as_deref());
    let heads = scan.read("heads", part, &columns)?;
    let mut scores = HashMap::new();
    for row in 0..heads.rows() {
        let Some(place) = sentence_head(&heads, row).filter(|(_, head)| filter.keeps_head(*head)) else {
            continue;
        };
        if filter.role.is_some() && heads.text("role", row) != filter.role.as_deref() {
            continue;
        }
        match &filter.by {
            None => drop(scores.insert(place, None)),
            Some(by) => {
                if let Some(value) = heads.number(by, row) {
                    scores.insert(place, Some(value));
                }
            }
        }
    }
    Ok(scores)
}

/// Reads the texts of exemplars.
fn add_texts(scan: &Scan, exemplars: &mut [Exemplar]) -> Result<()> {
    const COLUMNS: &[&str] = &[
        "sentence",
        "source",
        "media",
        "target",
        "generated",
        "source_tokens",
        "target_tokens",
        "decoder_tokens",
    ];
    let parts: HashSet<usize> = exemplars.iter().map(|exemplar| exemplar.part).collect();
    for part in parts {
        let sentences = scan.read("sentences", part, COLUMNS)?;
        let rows: HashMap<i64, usize> =
            (0..sentences.rows()).filter_map(|row| Some((sentences.whole("sentence", row)?, row))).collect();
        for exemplar in exemplars.iter_mut().filter(|exemplar| exemplar.part == part) {
            let Some(&row) = rows.get(&exemplar.sentence) else { continue };
            let text = |name: &str| sentences.text(name, row).unwrap_or_default().to_string();
            (exemplar.source, exemplar.target) = (text("source"), text("target"));
            exemplar.media = sentences.text("media", row).map(String::from);
            exemplar.generated = sentences.flag("generated", row);
            exemplar.source_tokens = sentences.texts("source_tokens", row).to_vec();
            exemplar.target_tokens = sentences.texts("target_tokens", row).to_vec();
            exemplar.decoder_tokens = sentences.texts("decoder_tokens", row).to_vec();
        }
    }
    Ok(())
}
