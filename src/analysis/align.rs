//! Word alignment from cross-attention, and how well it agrees with a gold alignment.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::matrix::Matrix;

/// Convention that assigns a row of a cross map to target token `y_t`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Convention {
    /// The row that predicts `y_t`: row `t`.
    #[default]
    Predicts,
    /// The row that is fed `y_t`: row `t + 1` (Chen et al. 2020, "Accurate Word Alignment Induction from
    /// Neural Machine Translation", SHIFT-ATT). The last target token has none.
    Fed,
}

impl Convention {
    /// Both conventions, in the order in which options list them.
    pub const ALL: [Convention; 2] = [Convention::Predicts, Convention::Fed];

    /// The name used in options.
    pub fn name(self) -> &'static str {
        match self {
            Convention::Predicts => "predicts",
            Convention::Fed => "fed",
        }
    }

    /// The row for target token `t`.
    pub fn row(self, t: usize) -> usize {
        match self {
            Convention::Predicts => t,
            Convention::Fed => t + 1,
        }
    }
}

impl FromStr for Convention {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|convention| convention.name() == text)
            .ok_or_else(|| format!("'{text}' is not one of {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// A word alignment: (source, target) pairs, zero-based, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alignment(pub BTreeSet<(usize, usize)>);

impl fmt::Display for Alignment {
    /// The Pharaoh format: `0-0 1-2 ...`, source first, ordered by source.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<_> = self.0.iter().map(|(source, target)| format!("{source}-{target}")).collect();
        f.write_str(&pairs.join(" "))
    }
}

/// Computes the hard alignment `a(t) = argmax_j A_tj` of a cross map `[target, source]`, as (source word,
/// target word) pairs. `source` and `target` give the word of each token, `None` for tokens outside words
/// (special ones): such keys are never chosen, and such rows choose nothing. Of equal weights the first is
/// taken.
pub fn hard_alignment(
    map: &Matrix,
    source: &[Option<usize>],
    target: &[Option<usize>],
    convention: Convention,
) -> Alignment {
    let mut pairs = BTreeSet::new();
    for (t, word) in target.iter().enumerate() {
        let (Some(word), row) = (word, convention.row(t)) else { continue };
        if row >= map.rows() {
            continue;
        }
        let words = map.row(row).iter().zip(source).filter_map(|(&weight, word)| Some((weight, (*word)?)));
        let best = words.reduce(|best, next| if next.0 > best.0 { next } else { best });
        if let Some((_, source)) = best {
            pairs.insert((source, *word));
        }
    }
    Alignment(pairs)
}

/// Numbers the words that tokens form and returns the word of each token. `opens` is `Some(true)` for a
/// token that opens a word, `None` for a special token, which belongs to no word.
pub fn words(opens: impl IntoIterator<Item = Option<bool>>) -> Vec<Option<usize>> {
    let mut next = 0;
    let mut open = false;
    opens
        .into_iter()
        .map(|opens| {
            let Some(opens) = opens else {
                open = false;
                return None;
            };
            if opens || !open {
                next += 1;
                open = true;
            }
            Some(next - 1)
        })
        .collect()
}

/// A gold alignment: sure links, and possible ones, which include the sure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gold {
    /// Sure links.
    pub sure: BTreeSet<(usize, usize)>,
    /// Possible links.
    pub possible: BTreeSet<(usize, usize)>,
}

impl Gold {
    /// Parses a line in Pharaoh format, source first: `3-4` is sure, `3?4` or `3p4` possible. If
    /// `one_based`, positions count from 1.
    pub fn parse(line: &str, one_based: bool) -> Result<Self, String> {
        let mut gold = Gold::default();
        for pair in line.split_whitespace() {
            let bad = || format!("'{pair}' is no pair like 3-4 or 3?4");
            let at = pair.find(['-', '?', 'p']).ok_or_else(bad)?;
            let (source, target) = (&pair[..at], &pair[at + 1..]);
            let number = |text: &str| {
                let number: usize = text.parse().map_err(|_| bad())?;
                number.checked_sub(usize::from(one_based)).ok_or_else(bad)
            };
            let link = (number(source)?, number(target)?);
            gold.possible.insert(link);
            if pair[at..].starts_with('-') {
                gold.sure.insert(link);
            }
        }
        Ok(gold)
    }
}

/// Counts from which the alignment error rate of many sentences is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// Links found.
    pub found: usize,
    /// Sure links in the gold alignment.
    pub sure: usize,
    /// Links found that are sure.
    pub found_sure: usize,
    /// Links found that are possible.
    pub found_possible: usize,
}

impl Agreement {
    /// Adds a sentence.
    pub fn add(&mut self, alignment: &Alignment, gold: &Gold) {
        self.found += alignment.0.len();
        self.sure += gold.sure.len();
        self.found_sure += alignment.0.intersection(&gold.sure).count();
        self.found_possible += alignment.0.intersection(&gold.possible).count();
    }

    /// The alignment error rate `1 - (|A & S| + |A & P|) / (|A| + |S|)` (Och and Ney 2003, "A Systematic
    /// Comparison of Various Statistical Alignment Models"), 0 to 1; `None` where there are no links at all.
    pub fn error_rate(&self) -> Option<f32> {
        let all = self.found + self.sure;
        (all > 0).then(|| 1.0 - (self.found_sure + self.found_possible) as f32 / all as f32)
    }

    /// `|A & P| / |A|`; `None` where nothing was found.
    pub fn precision(&self) -> Option<f32> {
        (self.found > 0).then(|| self.found_possible as f32 / self.found as f32)
    }

    /// `|A & S| / |S|`; `None` where nothing is sure.
    pub fn recall(&self) -> Option<f32> {
        (self.sure > 0).then(|| self.found_sure as f32 / self.sure as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_choose_their_best_word() {
        let map = Matrix::new(3, 3, vec![0.2, 0.7, 0.1, 0.1, 0.2, 0.7, 0.4, 0.3, 0.3]);
        let (source, target) = ([Some(0), Some(1), None], [Some(0), Some(1), None]);
        let by = |convention| hard_alignment(&map, &source, &target, convention).to_string();
        assert_eq!(by(Convention::Predicts), "1-0 1-1");
        assert_eq!(by(Convention::Fed), "0-1 1-0");
    }

    #[test]
    fn tokens_form_words() {
        let opens = [None, Some(true), Some(false), Some(true), None, Some(false)];
        assert_eq!(words(opens), [None, Some(0), Some(0), Some(1), None, Some(2)]);
    }

    #[test]
    fn error_rate_knows_sure_and_possible() {
        let gold = Gold::parse("1-1 2?3", true).unwrap();
        let perfect = Alignment([(0, 0)].into());
        let extra = Alignment([(0, 0), (1, 2), (5, 5)].into());
        let rate = |alignment: &Alignment| {
            let mut agreement = Agreement::default();
            agreement.add(alignment, &gold);
            agreement.error_rate().unwrap()
        };
        assert_eq!(rate(&perfect), 0.0);
        // |A & S| = 1, |A & P| = 2, |A| = 3, |S| = 1.
        assert_eq!(rate(&extra), 1.0 - 3.0 / 4.0);
        assert_eq!(Agreement::default().error_rate(), None);
        assert!(Gold::parse("0-1", true).is_err());
        assert!(Gold::parse("a-1", false).is_err());
    }
}
