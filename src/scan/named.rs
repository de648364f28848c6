//! Places on the axes of the sentences of a scan, found by their names.

use std::collections::HashMap;
use std::ops::Range;

use super::opened::Scan;
use crate::analysis::links::Link;
use crate::analysis::places::{AxisNames, Places};
use crate::axis::AxisItem;
use crate::columns::ColumnTable;
use crate::error::Result;
use crate::export::labels::axis_names;
use crate::site::Kind;

/// The queries and keys that a user names, in the sentences of one file of a scan.
pub struct NamedPlaces<'a> {
    /// Names of queries and of keys; empty for all.
    places: [&'a Places; 2],
    /// The tokens of the sentences.
    sentences: ColumnTable,
    /// Rows of the sentences by their numbers.
    rows: HashMap<i64, usize>,
    /// The places in the maps that were looked at last.
    last: Option<MapPlaces>,
}

/// The named places in a sentence's maps of a kind.
struct MapPlaces {
    sentence: i64,
    kind: Kind,
    queries: Vec<Range<usize>>,
    keys: Vec<Range<usize>>,
}

/// A text of a sentence.
#[derive(Clone, Copy)]
enum SentenceText {
    Source,
    Target,
    DecoderInput,
}

impl SentenceText {
    /// The columns of its tokens, and of the positions of the special ones.
    fn columns(self) -> [&'static str; 2] {
        match self {
            Self::Source => ["source_tokens", "source_special"],
            Self::Target => ["target_tokens", "target_special"],
            Self::DecoderInput => ["decoder_tokens", "decoder_special"],
        }
    }
}

impl<'a> NamedPlaces<'a> {
    /// Reads the tokens of the sentences in a file, unless `places` (of queries and keys) name none.
    ///
    /// # Errors
    /// Those of the file.
    pub fn read(scan: &Scan, part: usize, places: [&'a Places; 2]) -> Result<Self> {
        use SentenceText::{DecoderInput, Source, Target};
        let mut columns = vec!["sentence"];
        columns.extend([Source, Target, DecoderInput].into_iter().flat_map(SentenceText::columns));
        let sentences = match places.iter().all(|places| places.is_empty()) {
            true => ColumnTable::default(),
            false => scan.read("sentences", part, &columns)?,
        };
        let numbered = (0..sentences.rows()).filter_map(|row| Some((sentences.whole("sentence", row)?, row)));
        Ok(Self { places, rows: numbered.collect(), sentences, last: None })
    }

    /// Returns true if a link of a sentence goes from a named query to a named key.
    pub fn keep(&mut self, sentence: i64, link: &Link) -> bool {
        if self.places.iter().all(|places| places.is_empty()) {
            return true;
        }
        let kind = link.head.kind();
        let known = self.last.take().filter(|last| (last.sentence, last.kind) == (sentence, kind));
        let found = known.unwrap_or_else(|| self.found(sentence, kind));
        let [queries, keys] = self.places;
        let on = |named: &Places, places: &[Range<usize>], at: usize| {
            named.is_empty() || places.iter().any(|place| place.contains(&at))
        };
        let kept = on(queries, &found.queries, link.query) && on(keys, &found.keys, link.key);
        self.last = Some(found);
        kept
    }

    /// Finds the named places in a sentence's maps of a kind.
    fn found(&self, sentence: i64, kind: Kind) -> MapPlaces {
        use SentenceText::{DecoderInput, Source, Target};
        let (queries, keys): (&[SentenceText], SentenceText) = match kind {
            Kind::Encoder => (&[Source], Source),
            Kind::Decoder => (&[DecoderInput, Target], DecoderInput),
            Kind::Cross => (&[DecoderInput, Target], Source),
        };
        let named = |places: &Places, texts: &[SentenceText]| {
            let row = self.rows.get(&sentence);
            let names: Vec<_> =
                row.map_or_else(Vec::new, |&row| texts.iter().map(|&text| self.names(text, row)).collect());
            places.named(&names)
        };
        let [of_queries, of_keys] = self.places;
        MapPlaces { sentence, kind, queries: named(of_queries, queries), keys: named(of_keys, &[keys]) }
    }

    /// Returns the names of the tokens and words of a text.
    fn names(&self, text: SentenceText, row: usize) -> AxisNames {
        let [tokens, special] = text.columns();
        let special = self.sentences.wholes(special, row);
        let item = |(piece, at): (&String, i64)| AxisItem::token(0, piece.as_str(), special.contains(&at));
        let items: Vec<AxisItem> = self.sentences.texts(tokens, row).iter().zip(0..).map(item).collect();
        axis_names(&items)
    }
}
