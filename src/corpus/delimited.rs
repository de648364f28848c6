//! Rows of CSV (RFC 4180) and of tab-separated values.

use std::path::PathBuf;

use super::column_names::ColumnNames;
use super::lines::NumberedLines;
use super::sentence_pair::{BadRow, SentencePair};
use crate::error::{Error, Result};

/// Longest record, in bytes.
const MAX_RECORD: usize = 16 << 20;

/// Reader of records with named columns.
pub struct DelimitedRows {
    pub lines: NumberedLines,
    /// True for CSV, whose fields may be quoted; false for tab-separated values.
    quoted: bool,
    /// Columns of the source, the recording, the picture and the target.
    places: [Option<usize>; 4],
}

/// A record, or the reason why it is none.
type Record = std::result::Result<Vec<String>, BadRow>;

impl DelimitedRows {
    /// Starts to read records, after the header line. Names that are all numbers count columns from 1, and
    /// the file has no header then.
    ///
    /// # Errors
    /// [`Error::BadFile`] if the header lacks a column; the message lists those it has. [`Error::Usage`] if
    /// columns are numbered, but none of the sources.
    pub fn new(lines: NumberedLines, quoted: bool, names: &ColumnNames) -> Result<Self> {
        let mut rows = Self { lines, quoted, places: [None; 4] };
        if let Some(places) = names.numbers() {
            if places[..3].iter().all(Option::is_none) {
                return Err(Error::Usage(
                    "with a number as --target-column there is no header line: give the number of the sources' column, \
                     too"
                        .into(),
                ));
            }
            rows.places = places;
            return Ok(rows);
        }
        let header = match rows.record()? {
            Some(Ok(header)) => header,
            Some(Err(bad)) => return Err(rows.lines.error(&bad.to_string())),
            None => Vec::new(),
        };
        let place = |name: &str| header.iter().position(|found| found.trim() == name);
        let given = [&names.source, &names.audio, &names.image, &names.target];
        for (name, given) in names.all().into_iter().zip(given) {
            if given.is_some() && place(name).is_none() {
                return Err(rows.lacks(name, &header));
            }
        }
        rows.places = names.all().map(place);
        if rows.places[..3].iter().all(Option::is_none) {
            return Err(rows.lacks(names.all()[0], &header));
        }
        Ok(rows)
    }

    fn lacks(&self, name: &str, header: &[String]) -> Error {
        self.lines.error(&format!("no column '{name}'; the header names {}", header.join(", ")))
    }

    /// Reads a row; `None` at the end of the file.
    pub fn read(&mut self) -> Result<Option<std::result::Result<SentencePair, BadRow>>> {
        let Some(record) = self.record()? else { return Ok(None) };
        let pair = record.and_then(|mut fields| {
            let mut field = |place: Option<usize>| match place {
                None => Ok(None),
                Some(at) => match fields.get_mut(at) {
                    Some(field) => Ok(Some(std::mem::take(field))),
                    None => Err(self.invalid(&format!("there is no column {}", at + 1))),
                },
            };
            let [source, audio, image, target] = self.places;
            let (source, target) = (field(source)?, field(target)?);
            let (audio, image) = (field(audio)?.map(PathBuf::from), field(image)?.map(PathBuf::from));
            Ok(SentencePair { source: source.unwrap_or_default(), audio, image, target })
        });
        Ok(Some(pair))
    }

    fn invalid(&self, why: &str) -> BadRow {
        BadRow::Invalid { place: self.lines.place(), why: why.into() }
    }

    fn record(&mut self) -> Result<Option<Record>> {
        let Some(line) = self.lines.read()? else { return Ok(None) };
        if !self.quoted {
            let fields = line.map(|text| text.split('\t').map(String::from).collect());
            return Ok(Some(fields.map_err(|why| self.invalid(&why))));
        }
        let mut record = QuotedRecord::default();
        let mut bad = None;
        let mut length = self.add(line, &mut record, &mut bad);
        if record.quoted {
            let unclosed = self.invalid("a quote is not closed");
            while record.quoted {
                match self.lines.read()? {
                    Some(more) if length < MAX_RECORD => length += self.add(more, &mut record, &mut bad),
                    _ => return Ok(Some(Err(bad.unwrap_or(unclosed)))),
                }
            }
        }
        Ok(Some(bad.map_or_else(|| Ok(record.finish()), Err)))
    }

    /// Adds a line to a record and returns its length. A bad line opens and closes quotes, too: the rest of its
    /// record must not pass for rows. The reason of the first one is kept in `bad`.
    fn add(
        &mut self,
        line: std::result::Result<String, String>,
        record: &mut QuotedRecord,
        bad: &mut Option<BadRow>,
    ) -> usize {
        let text = match line {
            Ok(text) => text,
            Err(why) => {
                bad.get_or_insert_with(|| self.invalid(&why));
                self.lines.take_lossy()
            }
        };
        record.add(&text);
        text.len() + 1
    }
}

/// A record of CSV, read line by line.
#[derive(Default)]
struct QuotedRecord {
    fields: Vec<String>,
    /// The field that is read.
    field: String,
    /// True within quotes. A field whose quote is still open at the end of a line goes on in the next one.
    quoted: bool,
}

impl QuotedRecord {
    /// Adds a line.
    fn add(&mut self, line: &str) {
        if self.quoted {
            self.field.push('\n');
        }
        let mut chars = line.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '"' if self.quoted && chars.peek() == Some(&'"') => {
                    chars.next();
                    self.field.push('"');
                }
                '"' if self.quoted => self.quoted = false,
                '"' if self.field.is_empty() => self.quoted = true,
                ',' if !self.quoted => self.fields.push(std::mem::take(&mut self.field)),
                c => self.field.push(c),
            }
        }
    }

    /// Returns the fields.
    fn finish(mut self) -> Vec<String> {
        self.fields.push(self.field);
        self.fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields of a record; `None` if a quote is not closed.
    fn fields(text: &str) -> Option<Vec<String>> {
        let mut record = QuotedRecord::default();
        text.split('\n').for_each(|line| record.add(line));
        (!record.quoted).then(|| record.finish())
    }

    #[test]
    fn a_bad_line_within_quotes_spoils_one_record() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairs.csv");
        let bad: [(&[u8], _); 3] = [(b"\"a\n\xff\nb\",c", 3), (b"\"a\xff\nb\",c", 2), (b"\"a\nb\xff\",c", 3)];
        for (record, at) in bad {
            std::fs::write(&path, [&b"source,target\n"[..], record, b"\nd,e\n"].concat()).unwrap();
            let lines = NumberedLines::open(&path).unwrap();
            let mut rows = DelimitedRows::new(lines, true, &ColumnNames::default()).unwrap();
            let Some(Err(BadRow::Invalid { place, why })) = rows.read().unwrap() else {
                panic!("the first record is bad")
            };
            assert!(place.ends_with(&format!("line {at}")) && why.contains("UTF-8"), "{place}: {why}");
            let pair = rows.read().unwrap().unwrap().unwrap();
            assert_eq!((pair.source.as_str(), pair.target.as_deref()), ("d", Some("e")));
            assert!(rows.read().unwrap().is_none());
        }
    }

    #[test]
    fn quotes_hold_commas_lines_and_quotes() {
        assert_eq!(fields("a,\"b, \"\"c\"\"\",").unwrap(), ["a", "b, \"c\"", ""]);
        assert_eq!(fields("\"a\nb\",c").unwrap(), ["a\nb", "c"]);
        assert_eq!(fields("a,\"b"), None);
        assert_eq!(fields("5\" disk").unwrap(), ["5\" disk"]);
    }
}
