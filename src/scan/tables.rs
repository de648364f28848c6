//! The tables of a scan.

use std::borrow::Cow;
use std::collections::HashMap;

use half::f16;

use super::measures::{FarLink, SentenceMeasures};
use super::run::ScannedRow;
use crate::analysis::metrics::HeadMetrics;
use crate::analysis::roles::role;
use crate::columns::{ColumnTable, ColumnValue, ColumnValues};
use crate::site::Head;

/// Names of the tables. The sentences are written last, so that rows of all others belong to them.
pub const TABLES: [&str; 4] = ["maps", "links", "heads", "sentences"];

/// The tables of the rows of a corpus.
#[derive(Clone, Debug)]
pub struct ScanTables {
    sentences: ColumnTable,
    heads: ColumnTable,
    links: ColumnTable,
    /// `None` if the maps are not kept.
    maps: Option<ColumnTable>,
    /// Places of the metrics among the columns, by name.
    metrics: HashMap<&'static str, usize>,
}

fn wholes() -> ColumnValues {
    ColumnValues::Wholes(Vec::new())
}

fn numbers() -> ColumnValues {
    ColumnValues::Numbers(Vec::new())
}

fn texts() -> ColumnValues {
    ColumnValues::Texts(Vec::new())
}

fn whole(value: usize) -> ColumnValue {
    ColumnValue::Whole(Some(value as i64))
}

fn text(value: &str) -> ColumnValue {
    ColumnValue::Text(Some(value.to_string().into()))
}

fn name(value: &'static str) -> ColumnValue {
    ColumnValue::Text(Some(value.into()))
}

/// The columns that name a head of a sentence.
fn head_columns() -> [(&'static str, ColumnValues); 4] {
    [("sentence", wholes()), ("kind", texts()), ("layer", wholes()), ("head", wholes())]
}

fn head_values(sentence: i64, head: Head) -> [ColumnValue; 4] {
    [ColumnValue::Whole(Some(sentence)), name(head.kind().name()), whole(head.layer()), whole(head.head)]
}

impl ScanTables {
    /// Creates tables without rows, that of the maps only if they are kept.
    pub fn new(with_maps: bool) -> Self {
        let wholes_of_tokens = || ColumnValues::WholeLists(Vec::new());
        let tokens = || ColumnValues::TextLists(Vec::new());
        let sentences = [
            ("sentence", wholes()),
            ("error", texts()),
            ("source", texts()),
            ("media", texts()),
            ("target", texts()),
            ("generated", ColumnValues::Flags(Vec::new())),
            ("source_ids", wholes_of_tokens()),
            ("target_ids", wholes_of_tokens()),
            ("source_tokens", tokens()),
            ("target_tokens", tokens()),
            ("decoder_tokens", tokens()),
            ("source_special", wholes_of_tokens()),
            ("target_special", wholes_of_tokens()),
            ("decoder_special", wholes_of_tokens()),
            ("log_probability", numbers()),
            ("source_share", numbers()),
            ("alignment", texts()),
        ];
        let metrics = HeadMetrics::COLUMNS
            .iter()
            .map(|column| (column.name, if column.whole { wholes() } else { numbers() }));
        let roles = [("role", texts()), ("role_score", numbers())];
        let links = [
            ("rank", wholes()),
            ("weight", numbers()),
            ("distance", numbers()),
            ("query", wholes()),
            ("query_token", texts()),
            ("predicted", texts()),
            ("key", wholes()),
            ("key_token", texts()),
        ];
        let maps = [("queries", wholes()), ("keys", wholes()), ("weights", ColumnValues::Blobs(Vec::new()))];
        Self {
            sentences: ColumnTable::new("sentences", sentences),
            heads: ColumnTable::new("heads", head_columns().into_iter().chain(metrics).chain(roles)),
            links: ColumnTable::new("links", head_columns().into_iter().chain(links)),
            maps: with_maps.then(|| ColumnTable::new("maps", head_columns().into_iter().chain(maps))),
            metrics: HeadMetrics::COLUMNS.iter().map(|column| column.name).zip(0..).collect(),
        }
    }

    /// Number of rows of the corpus.
    pub fn sentences(&self) -> usize {
        self.sentences.rows()
    }

    /// Adds a row of the corpus.
    pub fn add(&mut self, row: &ScannedRow) {
        let sentence = row.row as i64;
        self.add_sentence(row);
        if let Ok(measures) = &row.outcome {
            self.add_heads(sentence, measures);
            self.add_links(sentence, &measures.links);
            self.add_maps(sentence, measures);
        }
    }

    /// Returns the tables in the order of [`TABLES`].
    pub fn finish(self) -> Vec<ColumnTable> {
        let Self { sentences, heads, links, maps, .. } = self;
        maps.into_iter().chain([links, heads, sentences]).collect()
    }

    fn add_sentence(&mut self, row: &ScannedRow) {
        let found = row.outcome.as_deref().ok();
        let text = |of: fn(&SentenceMeasures) -> String| ColumnValue::Text(found.map(of).map(Cow::from));
        let wholes = |of: fn(&SentenceMeasures) -> &[u32]| {
            let found = found.map_or(&[][..], of);
            ColumnValue::WholeList(found.iter().map(|&whole| whole.into()).collect())
        };
        let tokens = |of: fn(&SentenceMeasures) -> &[String]| {
            ColumnValue::TextList(found.map_or(&[][..], of).to_vec())
        };
        self.sentences.push([
            ColumnValue::Whole(Some(row.row as i64)),
            ColumnValue::Text(row.outcome.as_ref().err().cloned().map(Cow::from)),
            text(|found| found.source.clone()),
            ColumnValue::Text(row.media.as_ref().map(|path| path.to_string_lossy().into_owned().into())),
            text(|found| found.target.clone()),
            ColumnValue::Flag(row.generated),
            wholes(|found| &found.source_ids),
            wholes(|found| &found.target_ids),
            tokens(|found| &found.source_tokens),
            tokens(|found| &found.target_tokens),
            tokens(|found| &found.decoder_tokens),
            wholes(|found| &found.source_special),
            wholes(|found| &found.target_special),
            wholes(|found| &found.decoder_special),
            ColumnValue::Number(found.map(|found| found.log_probability)),
            ColumnValue::Number(found.and_then(|found| found.source_share)),
            text(|found| found.alignment.to_string()),
        ]);
    }

    fn add_heads(&mut self, sentence: i64, measures: &SentenceMeasures) {
        for (head, values) in &measures.heads {
            let metrics = values.iter().zip(HeadMetrics::COLUMNS).map(|(value, column)| {
                if column.whole {
                    ColumnValue::Whole(value.map(|value| value as i64))
                } else {
                    ColumnValue::Number(*value)
                }
            });
            let metric = |name: &str| *values.get(*self.metrics.get(name)?)?;
            let found = role(metric);
            let roles = [
                ColumnValue::Text(found.map(|found| found.role.name.into())),
                ColumnValue::Number(found.map(|found| found.score)),
            ];
            self.heads.push(head_values(sentence, *head).into_iter().chain(metrics).chain(roles));
        }
    }

    fn add_links(&mut self, sentence: i64, links: &[FarLink]) {
        let mut rank = 0;
        let mut last = None;
        for FarLink { link, query_token, predicted, key_token } in links {
            rank = if last == Some(link.head) { rank + 1 } else { 0 };
            last = Some(link.head);
            self.links.push(head_values(sentence, link.head).into_iter().chain([
                whole(rank),
                ColumnValue::Number(Some(link.weight)),
                ColumnValue::Number(link.distance),
                whole(link.query),
                text(query_token),
                ColumnValue::Text(predicted.clone().map(Cow::from)),
                whole(link.key),
                text(key_token),
            ]));
        }
    }

    /// Adds maps as half-precision numbers, row by row.
    fn add_maps(&mut self, sentence: i64, measures: &SentenceMeasures) {
        let Some(maps) = &mut self.maps else { return };
        for (head, map) in &measures.maps {
            let weights = map.as_slice().iter().flat_map(|&weight| f16::from_f32(weight).to_le_bytes());
            maps.push(head_values(sentence, *head).into_iter().chain([
                whole(map.rows()),
                whole(map.cols()),
                ColumnValue::Blob(weights.collect()),
            ]));
        }
    }
}
