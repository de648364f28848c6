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
    /// The named queries and keys of the last sentence and kind that were looked at.
    last: Option<((i64, Kind), [Vec<Range<usize>>; 2])>,
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
        let place = (sentence, link.head.kind());
        let named = match self.last.take() {
            Some((last, named)) if last == place => named,
            _ => self.named(sentence, link.head.kind()),
        };
        let on = |axis: usize, at: usize| {
            self.places[axis].is_empty() || named[axis].iter().any(|place| place.contains(&at))
        };
        let kept = on(0, link.query) && on(1, link.key);
        self.last = Some((place, named));
        kept
    }

    /// Finds the named queries and keys of a sentence's maps of a kind.
    fn named(&self, sentence: i64, kind: Kind) -> [Vec<Range<usize>>; 2] {
        use SentenceText::{DecoderInput, Source, Target};
        let Some(&row) = self.rows.get(&sentence) else { return [Vec::new(), Vec::new()] };
        let (queries, keys): (&[SentenceText], SentenceText) = match kind {
            Kind::Encoder => (&[Source], Source),
            Kind::Decoder => (&[DecoderInput, Target], DecoderInput),
            Kind::Cross => (&[DecoderInput, Target], Source),
        };
        let names =
            |texts: &[SentenceText]| texts.iter().map(|&text| self.names(text, row)).collect::<Vec<_>>();
        let [of_queries, of_keys] = self.places;
        [of_queries.named(&names(queries)), of_keys.named(&names(&[keys]))]
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
