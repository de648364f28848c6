//! Scores of heads on a needle: a sentence planted in a long source and forced as the target.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::axis::AxisItem;
use crate::matrix::Matrix;

/// Score from which on a head is a retrieval head (Wu et al. 2024, section 2).
pub const RETRIEVAL: f32 = 0.1;

/// Scores of a cross-attention head on a needle whose text is written.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NeedleScores {
    /// Retrieval score, 0 to 1 (Wu et al. 2024, "Retrieval Head Mechanistically Explains Long-Context
    /// Factuality", section 2): the share of the needle's tokens that the head copies. A row copies a token
    /// if its largest weight lies on it and it is the token that the row predicts.
    pub retrieval: f32,
    /// Share of the rows whose largest weight lies in the needle, whatever the token there.
    pub top_in_needle: f32,
    /// Mean weight that a row puts on the needle.
    pub mass: f32,
}

/// Scores a head by its cross-attention map, `[target, source]`. `needle` are the needle's positions in the
/// source. Row `t` predicts `target[t]`; rows that predict special tokens are left out. Tokens are compared
/// by their spelling without marks of word boundaries, since the two sides may have vocabularies of their
/// own.
pub fn cross_scores(
    map: &Matrix,
    needle: &Range<usize>,
    source: &[AxisItem],
    target: &[AxisItem],
) -> NeedleScores {
    let rows: Vec<usize> = (0..map.rows()).filter(|&row| !target[row].special).collect();
    if rows.is_empty() || needle.is_empty() {
        return NeedleScores::default();
    }
    let (mut copied, mut tops, mut mass) = (BTreeSet::new(), 0, 0.0);
    for &row in &rows {
        let weights = map.row(row);
        mass += sum(&weights[needle.clone()]);
        // Of equal weights the first counts.
        let later = |best: usize, key: usize| if weights[key] > weights[best] { key } else { best };
        let Some(top) = (0..weights.len()).reduce(later).filter(|top| needle.contains(top)) else { continue };
        tops += 1;
        if source[top].unmarked() == target[row].unmarked() {
            copied.insert(top);
        }
    }
    let rows = rows.len() as f32;
    NeedleScores {
        retrieval: copied.len() as f32 / needle.len() as f32,
        top_in_needle: tops as f32 / rows,
        mass: mass as f32 / rows,
    }
}

/// Returns the mean weight that the queries outside the needle put on it in an encoder map, whose rows come
/// in blocks with the number of their first one. Special queries are left out.
pub fn carried_mass(
    blocks: impl Iterator<Item = (usize, Matrix)>,
    needle: &Range<usize>,
    source: &[AxisItem],
) -> f32 {
    let (mut mass, mut rows) = (0.0, 0);
    for (first, block) in blocks {
        for at in 0..block.rows() {
            let query = first + at;
            if !needle.contains(&query) && !source[query].special {
                mass += sum(&block.row(at)[needle.clone()]);
                rows += 1;
            }
        }
    }
    if rows == 0 { 0.0 } else { (mass / rows as f64) as f32 }
}

/// Returns the share of the words of `expected` that a text has, each as often (ROUGE-1 recall, Lin 2004).
/// Case and punctuation do not count.
pub fn word_recall(expected: &str, text: &str) -> f32 {
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.map(str::to_lowercase).collect()
    };
    let (expected, mut written) = (words(expected), words(text));
    let found = expected.iter().filter(|word| {
        let at = written.iter().position(|other| other == *word);
        at.map(|at| written.swap_remove(at)).is_some()
    });
    found.count() as f32 / expected.len().max(1) as f32
}

fn sum(weights: &[f32]) -> f64 {
    weights.iter().map(|&weight| f64::from(weight)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(text: &str) -> Vec<AxisItem> {
        let item = |(at, word): (usize, &str)| AxisItem::token(at as u32, word, word.starts_with('<'));
        text.split(' ').enumerate().map(item).collect()
    }

    #[test]
    fn copies_count_once_for_each_token_of_the_needle() {
        let source = items("▁filler ▁the ▁code ▁is ▁red </s>");
        let target = items("the ▁code ▁was the </s>");
        let map = Matrix::new(
            5,
            6,
            vec![
                0.1, 0.6, 0.1, 0.1, 0.1, 0.0, // copies "the"
                0.2, 0.1, 0.2, 0.4, 0.1, 0.0, // in the needle, at another token
                0.5, 0.1, 0.1, 0.2, 0.1, 0.0, // outside
                0.0, 1.0, 0.0, 0.0, 0.0, 0.0, // copies "the" again
                0.0, 0.0, 1.0, 0.0, 0.0, 0.0, // predicts a special token
            ],
        );
        let scores = cross_scores(&map, &(1..5), &source, &target);
        assert_eq!(scores.retrieval, 0.25);
        assert_eq!(scores.top_in_needle, 0.75);
        assert!((scores.mass - (0.9 + 0.8 + 0.5 + 1.0) / 4.0).abs() < 1e-6);
        assert_eq!(cross_scores(&map, &(2..2), &source, &target), NeedleScores::default());
    }

    #[test]
    fn words_are_found_once_each() {
        assert_eq!(word_recall("The code is the RED one.", "red, the code?"), 0.5);
        assert_eq!((word_recall("a b", ""), word_recall("", "a")), (0.0, 0.0));
    }

    #[test]
    fn carried_mass_is_that_of_queries_outside_the_needle() {
        let source = items("▁a ▁b ▁c </s>");
        let block = |first: usize, rows: &[[f32; 4]]| (first, Matrix::new(rows.len(), 4, rows.concat()));
        let blocks = [
            block(0, &[[0.1, 0.5, 0.2, 0.2], [0.0, 1.0, 0.0, 0.0]]),
            block(2, &[[0.1, 0.3, 0.3, 0.3], [0.0, 0.9, 0.1, 0.0]]),
        ];
        let mass = carried_mass(blocks.into_iter(), &(1..2), &source);
        assert!((mass - 0.4).abs() < 1e-6, "{mass}");
        assert_eq!(carried_mass(std::iter::empty(), &(1..2), &source), 0.0);
    }
}
