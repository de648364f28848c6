//! Times of words in a recording, from cross-attention (the method of openai/whisper's `timing.py`).

use std::ops::Range;

use crate::matrix::Matrix;

/// Width of the median filter over frames.
const MEDIAN: usize = 7;

/// Computes the frame at which each of `rows` begins. `maps` are cross maps `[target, keys]` of the heads that
/// align, the first `frames` of whose keys are frames; weight on later keys is left out. The weights of each
/// frame are standardised over all rows, smoothed by a median over 7 frames, averaged over the heads and
/// followed by dynamic time warping.
///
/// Returns nothing if there are no maps, rows or frames.
pub fn row_starts(maps: &[Matrix], frames: usize, rows: Range<usize>) -> Vec<usize> {
    let smooth: Vec<Matrix> = maps.iter().map(|map| smoothed(map, frames)).collect();
    smoothed_starts(&smooth.iter().collect::<Vec<_>>(), rows)
}

/// [`row_starts`] of maps that are smoothed already, `[target, frames]`.
pub fn smoothed_starts(maps: &[&Matrix], rows: Range<usize>) -> Vec<usize> {
    let Some(first) = maps.first() else { return Vec::new() };
    let (frames, rows) = (first.cols(), rows.start..rows.end.min(first.rows()));
    if frames == 0 || rows.is_empty() {
        return Vec::new();
    }
    let mut cost = vec![0f64; rows.len() * frames];
    for map in maps {
        let part = map.part(rows.clone());
        cost.iter_mut().zip(part.as_slice()).for_each(|(sum, &value)| *sum -= f64::from(value));
    }
    let cost: Vec<f32> = cost.iter().map(|sum| (sum / maps.len() as f64) as f32).collect();
    path_starts(&cost, frames)
}

/// Standardises the weights of each frame over the rows of a map and smooths each row: `[target, frames]`.
pub fn smoothed(map: &Matrix, frames: usize) -> Matrix {
    let (rows, keys) = (map.rows(), map.cols().min(frames));
    let mut weights = vec![0f64; rows * frames];
    for row in 0..rows {
        let heard = &map.row(row)[..keys];
        let sum: f64 = heard.iter().map(|&weight| f64::from(weight)).sum();
        for (to, &weight) in weights[row * frames..].iter_mut().zip(heard) {
            *to = f64::from(weight) / sum.max(f64::MIN_POSITIVE);
        }
    }
    for frame in 0..frames {
        let column = || (0..rows).map(|row| row * frames + frame);
        let mean = column().map(|at| weights[at]).sum::<f64>() / rows as f64;
        let variance = column().map(|at| (weights[at] - mean).powi(2)).sum::<f64>() / rows as f64;
        let deviation = variance.sqrt().max(f64::MIN_POSITIVE);
        column().for_each(|at| weights[at] = (weights[at] - mean) / deviation);
    }
    weights.chunks_mut(frames.max(1)).for_each(median);
    Matrix::new(rows, frames, weights.into_iter().map(|weight| weight as f32).collect())
}

/// Sharpness of a head without any reference (arXiv 2509.09987): the sum of the norms of the columns of a map,
/// `[target, keys]`, over the root of their number, plus the same of its rows. Of its keys the first `frames` count,
/// scaled to sum to 1 in each of `rows`.
pub fn sharpness(map: &Matrix, frames: usize, rows: Range<usize>) -> f32 {
    let keys = map.cols().min(frames);
    let rows = rows.start..rows.end.min(map.rows());
    let mut columns = vec![0f64; keys];
    let (count, mut norms) = (rows.len().max(1) as f64, 0f64);
    for row in rows {
        let heard = &map.row(row)[..keys];
        let sum = heard.iter().map(|&weight| f64::from(weight)).sum::<f64>().max(f64::MIN_POSITIVE);
        let squares = || heard.iter().map(|&weight| (f64::from(weight) / sum).powi(2));
        columns.iter_mut().zip(squares()).for_each(|(column, square)| *column += square);
        norms += squares().sum::<f64>().sqrt();
    }
    let across = columns.iter().map(|column| column.sqrt()).sum::<f64>() / (keys.max(1) as f64).sqrt();
    (across + norms / count.sqrt()) as f32
}

/// Replaces each value by the median of those around it; the ends are reflected.
fn median(row: &mut [f64]) {
    let (half, count) = (MEDIAN / 2, row.len());
    if count <= half {
        return;
    }
    let reflected = |at: isize| {
        let last = count as isize - 1;
        let at = at.abs();
        (if at > last { 2 * last - at } else { at }).unsigned_abs()
    };
    let values = row.to_vec();
    for (at, value) in row.iter_mut().enumerate() {
        let around = |step: usize| values[reflected(at as isize + step as isize - half as isize)];
        let mut around: [f64; MEDIAN] = std::array::from_fn(around);
        around.sort_by(f64::total_cmp);
        *value = around[half];
    }
}

/// Step of the path to a cell.
#[derive(Clone, Copy)]
enum Step {
    Diagonal,
    Down,
    Along,
}

/// Finds the cheapest monotonic path through `cost` `[rows, frames]` by dynamic time warping (Sakoe and Chiba
/// 1978). Returns the frame at which it enters each row. Ties are resolved as openai/whisper does.
fn path_starts(cost: &[f32], frames: usize) -> Vec<usize> {
    let (rows, width) = (cost.len() / frames, frames + 1);
    let mut sums = vec![f32::INFINITY; (rows + 1) * width];
    let mut steps = vec![Step::Along; (rows + 1) * width];
    sums[0] = 0.0;
    for frame in 1..=frames {
        for row in 1..=rows {
            let at = row * width + frame;
            let [diagonal, down, along] = [sums[at - width - 1], sums[at - width], sums[at - 1]];
            let (sum, step) = if diagonal < down && diagonal < along {
                (diagonal, Step::Diagonal)
            } else if down < diagonal && down < along {
                (down, Step::Down)
            } else {
                (along, Step::Along)
            };
            sums[at] = sum + cost[(row - 1) * frames + frame - 1];
            steps[at] = step;
        }
    }
    let mut starts = vec![0; rows];
    let (mut row, mut frame) = (rows, frames);
    while row > 0 {
        starts[row - 1] = frame.saturating_sub(1);
        match steps[row * width + frame] {
            _ if frame == 0 => row -= 1,
            Step::Diagonal => (row, frame) = (row - 1, frame - 1),
            Step::Down => row -= 1,
            Step::Along => frame -= 1,
        }
    }
    starts
}

/// A word of a recording.
#[derive(Clone, Debug, PartialEq)]
pub struct TimedWord {
    /// The word, with its punctuation.
    pub text: String,
    /// True if a space precedes it.
    pub spaced: bool,
    /// Its tokens, by their numbers in the target.
    pub tokens: Range<usize>,
    /// Begin in seconds.
    pub start: f64,
    /// End in seconds.
    pub end: f64,
    /// Mean probability of its tokens.
    pub confidence: Option<f32>,
}

/// Differences between times of words and a reference, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TimeErrors {
    /// Mean size of the differences.
    pub mean: f64,
    /// Median size.
    pub median: f64,
    /// Mean difference; above 0 where words come late.
    pub bias: f64,
    /// Share of the differences up to 0.1 s, 0 to 1.
    pub near: f64,
}

impl TimeErrors {
    /// Summarises `differences`; all are 0 if there are none.
    pub fn of(differences: &[f64]) -> Self {
        let count = differences.len().max(1) as f64;
        let mut sizes: Vec<f64> = differences.iter().map(|difference| difference.abs()).collect();
        sizes.sort_by(f64::total_cmp);
        let middle = |at: usize| sizes.get(at).copied().unwrap_or(0.0);
        Self {
            mean: sizes.iter().sum::<f64>() / count,
            median: (middle(sizes.len() / 2) + middle(sizes.len().saturating_sub(1) / 2)) / 2.0,
            bias: differences.iter().sum::<f64>() / count,
            near: sizes.iter().filter(|size| **size <= 0.1).count() as f64 / count,
        }
    }
}

/// Punctuation that belongs to the word after it.
const OPENING: &str = "\"'“¡¿([{-";

/// Punctuation that belongs to the word before it.
const CLOSING: &str = "\"'.。,，!！?？:：”)]}、";

/// Splits texts of tokens, spaces included, into words: a word begins at a space or is a sign of its own, and
/// signs join the word that they belong to. Returns ranges of tokens.
pub fn spoken_words(texts: &[String]) -> Vec<Range<usize>> {
    let is_sign = |text: &str| {
        let text = text.trim();
        !text.is_empty() && text.chars().all(|c| c.is_ascii_punctuation())
    };
    let mut words: Vec<Range<usize>> = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        match words.last_mut() {
            Some(word) if !text.starts_with(' ') && !is_sign(text) => word.end = at + 1,
            _ => words.push(at..at + 1),
        }
    }
    let text = |word: &Range<usize>| texts[word.clone()].concat();
    let mut joined: Vec<Range<usize>> = Vec::new();
    for word in words {
        let this = text(&word);
        let closes = CLOSING.contains(this.as_str()) && !this.starts_with(' ');
        match joined.last_mut() {
            Some(last) if closes && !text(last).ends_with(' ') => last.end = word.end,
            Some(last) if text(last).starts_with(' ') && OPENING.contains(text(last).trim()) => {
                last.end = word.end;
            }
            _ => joined.push(word),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_join_the_word_that_they_belong_to() {
        let words = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|text| text.to_string()).collect();
            spoken_words(&texts).into_iter().map(|word| texts[word].concat()).collect::<Vec<_>>()
        };
        assert_eq!(words(&[" Mr", ".", " am", "iable", ","]), [" Mr.", " amiable,"]);
        assert_eq!(words(&[" He", "'s", " \"", "so", "\"", "!"]), [" He's", " \"so\"!"]);
        assert!(words(&[]).is_empty());
    }

    #[test]
    fn errors_are_summarised() {
        let errors = TimeErrors::of(&[0.05, -0.15, 0.25, 0.05]);
        assert!((errors.mean - 0.125).abs() < 1e-12 && (errors.bias - 0.05).abs() < 1e-12);
        assert!((errors.median - 0.1).abs() < 1e-12 && (errors.near - 0.5).abs() < 1e-12);
        assert_eq!(TimeErrors::of(&[]), TimeErrors::default());
    }

    #[test]
    fn a_clear_diagonal_is_followed() {
        let map = Matrix::from_fn(4, 21, |row, key| match key {
            20 => 0.5,
            key if key / 5 == row => 0.08,
            _ => 0.1 / 15.0,
        });
        assert_eq!(row_starts(&[map.clone(), map.clone()], 20, 0..4), [0, 5, 10, 15]);
        assert_eq!(row_starts(std::slice::from_ref(&map), 20, 1..3).len(), 2);
        assert!(
            row_starts(&[], 20, 0..4).is_empty()
                && row_starts(std::slice::from_ref(&map), 0, 0..4).is_empty()
        );
        let flat = Matrix::from_fn(4, 21, |_, _| 1.0 / 21.0);
        // 20 columns of norm 2/20 and 4 rows of norm 1/sqrt(20).
        assert!((sharpness(&flat, 20, 0..4) - (2.0 / 20f32.sqrt() + 2.0 / 20f32.sqrt())).abs() < 1e-6);
        assert!(sharpness(&map, 20, 0..4) > sharpness(&flat, 20, 0..4));
    }
}
