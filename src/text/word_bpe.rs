//! Byte-pair encoding of single words, with `</w>` after a word's last character (Sennrich et al. 2016).

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::files::ModelFiles;

/// End-of-word mark.
pub(crate) const END_OF_WORD: &str = "</w>";

/// Merges and their ranks; the lowest rank is applied first.
pub(crate) struct WordBpe(HashMap<(String, String), usize>);

impl WordBpe {
    /// Reads merges.txt after skipping `skip` lines. Only the first two columns of a line count.
    pub fn load(files: &ModelFiles, skip: usize) -> Result<Self> {
        let bytes = files.need("merges.txt")?;
        let text = std::str::from_utf8(&bytes);
        let text = text.map_err(|_| Error::BadFile { file: "merges.txt".into(), why: "not UTF-8".into() })?;
        let mut merges = HashMap::new();
        for (rank, line) in text.split('\n').skip(skip).enumerate() {
            let mut pieces = line.split_whitespace();
            if let (Some(left), Some(right)) = (pieces.next(), pieces.next()) {
                merges.insert((left.to_string(), right.to_string()), rank);
            }
        }
        Ok(Self(merges))
    }

    /// Splits a word into pieces, the last of which ends in `</w>`.
    pub fn split(&self, word: &str) -> Vec<String> {
        let mut pieces: Vec<String> = word.chars().map(String::from).collect();
        if let Some(last) = pieces.last_mut() {
            last.push_str(END_OF_WORD);
        }
        while let Some((left, right)) = self.best(&pieces) {
            pieces = merge(pieces, &left, &right);
        }
        pieces
    }

    /// Returns the adjacent pair with the lowest rank.
    fn best(&self, pieces: &[String]) -> Option<(String, String)> {
        let pairs = pieces.windows(2).map(|pair| (pair[0].clone(), pair[1].clone()));
        let ranked = pairs.filter_map(|pair| Some((*self.0.get(&pair)?, pair)));
        ranked.min_by_key(|(rank, _)| *rank).map(|(_, pair)| pair)
    }
}

/// Joins every occurrence of a pair, from left to right.
fn merge(pieces: Vec<String>, left: &str, right: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::with_capacity(pieces.len());
    let mut pending = false;
    for piece in pieces {
        match out.last_mut() {
            Some(last) if pending && piece == right => {
                last.push_str(&piece);
                pending = false;
            }
            _ => {
                pending = piece == left;
                out.push(piece);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_merged_by_rank_and_from_the_left() {
        let pair = |left: &str, right: &str, rank| ((left.to_string(), right.to_string()), rank);
        let bpe = WordBpe(HashMap::from([pair("l", "o", 1), pair("lo", "w</w>", 0), pair("a", "a", 2)]));
        assert_eq!(bpe.split("low"), ["low</w>"]);
        assert_eq!(bpe.split("aaaa"), ["aa", "a", "a</w>"]);
        assert_eq!(bpe.split("x"), ["x</w>"]);
        assert!(bpe.split("").is_empty());
    }
}
