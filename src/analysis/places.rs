//! Places on an axis as users name them: by text, by word, by position.

use std::ops::Range;

/// The names on an axis, in lower case.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AxisNames {
    /// The name of each item, in order.
    pub items: Vec<String>,
    /// The words that the items form: the range of items of each, and its name.
    pub words: Vec<(Range<usize>, String)>,
    /// Begin and end of each item in seconds, if the items are frames of a recording. There may be fewer than items.
    pub seconds: Vec<(f64, f64)>,
}

/// One condition of [`Places`].
#[derive(Clone, Debug, PartialEq)]
enum Condition {
    /// A text, in lower case.
    Text(String),
    /// An inclusive range of positions, counted from 0.
    Positions(usize, usize),
    /// A stretch of time in seconds, and the text that it is on an axis without times.
    Seconds { from: f64, to: f64, text: String },
    /// The minimum of a weight.
    Weight(f32),
}

/// Conditions on the positions of an axis, as in `child 3-9 >0.2`.
///
/// A condition is a text, a position or a range of positions (both counted from 0), a time or a stretch of time
/// (`1.5s`, `1.5s-2s`), or a minimum weight. A text stands for the words equal to it, or else for the items equal
/// to it, or else for the words that contain it; case is ignored. A time stands for the frames of a recording that
/// it touches, and is a text on other axes. Quotes make a text of a number: `"7"`. Texts, positions and times are
/// alternatives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Places {
    text: String,
    conditions: Vec<Condition>,
}

impl Places {
    /// Parses conditions. Every text is valid.
    pub fn new(text: &str) -> Self {
        Self { text: text.trim().into(), conditions: text.split_whitespace().map(condition).collect() }
    }

    /// Returns the text as typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the texts and positions as typed, without the weights.
    pub fn named_text(&self) -> String {
        let words = self.text.split_whitespace();
        let named = words.filter(|word| !matches!(condition(word), Condition::Weight(_)));
        named.collect::<Vec<_>>().join(" ")
    }

    /// Returns true if there are no conditions.
    pub fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    /// Returns true if there is a text, a position or a time among the conditions.
    pub fn names_any(&self) -> bool {
        self.conditions.iter().any(|condition| !matches!(condition, Condition::Weight(_)))
    }

    /// Returns the minimum weight, 0 without such a condition.
    pub fn min_weight(&self) -> f32 {
        let minimum = |condition: &Condition| match condition {
            Condition::Weight(minimum) => *minimum,
            Condition::Text(_) | Condition::Positions(..) | Condition::Seconds { .. } => 0.0,
        };
        self.conditions.iter().map(minimum).fold(0.0, f32::max)
    }

    /// Returns the places that texts and positions name, in order: the range of a word's items, or of one
    /// item. An axis with several `names` is that of decoder rows, which go by the token that they are fed and
    /// by the one that they predict.
    pub fn named(&self, names: &[AxisNames]) -> Vec<Range<usize>> {
        let len = names.iter().map(|names| names.items.len()).max().unwrap_or(0);
        let mut places: Vec<Range<usize>> = Vec::new();
        for condition in &self.conditions {
            match condition {
                Condition::Text(text) => places.extend(with_text(text, names)),
                Condition::Positions(from, to) => {
                    places.extend((*from..=*to).take_while(|at| *at < len).map(|at| at..at + 1));
                }
                Condition::Seconds { text, .. } if names.iter().all(|names| names.seconds.is_empty()) => {
                    places.extend(with_text(text, names));
                }
                Condition::Seconds { from, to, .. } => {
                    let times = names.iter().flat_map(|names| names.seconds.iter().enumerate());
                    // A moment is in the frame that begins with it.
                    let inside = |(start, end): &(f64, f64)| end > from && (start < to || start <= from);
                    places.extend(times.filter(|(_, time)| inside(time)).map(|(at, _)| at..at + 1));
                }
                Condition::Weight(_) => {}
            }
        }
        places.sort_by_key(|place| (place.start, place.end));
        places.dedup();
        places
    }
}

fn condition(word: &str) -> Condition {
    let quoted = word.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    if let Some(text) = quoted.filter(|text| !text.is_empty()) {
        return Condition::Text(text.to_lowercase());
    }
    let number = |text: &str| text.parse::<f32>().ok().filter(|number| number.is_finite());
    if let Some(minimum) = word.strip_prefix('>').and_then(number) {
        return Condition::Weight(minimum);
    }
    if let Some((from, to)) = stretch(word) {
        return Condition::Seconds { from, to, text: word.to_lowercase() };
    }
    let range = word.split_once('-').and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
    match (range, word.parse()) {
        (Some((from, to)), _) => Condition::Positions(from, to),
        (None, Ok(place)) => Condition::Positions(place, place),
        (None, Err(_)) => Condition::Text(word.to_lowercase()),
    }
}

/// Parses a time or a stretch of time: `1.5s`, `1.5s-2s`, `1.5-2s`.
fn stretch(word: &str) -> Option<(f64, f64)> {
    let seconds = |text: &str| text.parse::<f64>().ok().filter(|time| (0.0..1e9).contains(time));
    let whole = word.strip_suffix('s')?;
    match whole.split_once('-') {
        Some((from, to)) => seconds(from.strip_suffix('s').unwrap_or(from)).zip(seconds(to)),
        None => seconds(whole).map(|time| (time, time)),
    }
}

/// Returns the words with this name or, if there are none, the items. `name` is in lower case.
pub fn equal_to(name: &str, names: &[AxisNames]) -> Vec<Range<usize>> {
    let equal = words(names, |word| word == name);
    if !equal.is_empty() {
        return equal;
    }
    let items = names.iter().flat_map(|names| names.items.iter().enumerate());
    items.filter(|(_, item)| *item == name).map(|(at, _)| at..at + 1).collect()
}

fn with_text(text: &str, names: &[AxisNames]) -> Vec<Range<usize>> {
    let equal = equal_to(text, names);
    if equal.is_empty() { words(names, |word| word.contains(text)) } else { equal }
}

fn words(names: &[AxisNames], fits: impl Fn(&str) -> bool) -> Vec<Range<usize>> {
    let words = names.iter().flat_map(|names| &names.words);
    words.filter(|(_, name)| fits(name)).map(|(range, _)| range.clone()).collect()
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "places are lists of ranges, also of one")]
mod tests {
    use super::*;

    fn names(words: &[&[&str]]) -> AxisNames {
        let mut names = AxisNames::default();
        for pieces in words {
            let start = names.items.len();
            names.items.extend(pieces.iter().map(|piece| piece.to_string()));
            names.words.push((start..names.items.len(), pieces.concat()));
        }
        names
    }

    #[test]
    fn a_text_is_a_word_or_an_item_or_a_part() {
        let axis = [names(&[&["the"], &["chil", "dren"], &["with"], &["it"], &["7"], &["the"]])];
        for (text, expected) in [
            ("It", vec![4..5]),
            ("children", vec![1..3]),
            ("dren", vec![2..3]),
            ("hild", vec![1..3]),
            ("the", vec![0..1, 6..7]),
            ("7", vec![]),
            ("\"7\"", vec![5..6]),
            ("3 it", vec![3..4, 4..5]),
            ("4-99 it", vec![4..5, 5..6, 6..7]),
            ("cat", vec![]),
        ] {
            assert_eq!(Places::new(text).named(&axis), expected, "{text}");
        }
    }

    #[test]
    fn decoder_rows_go_by_both_of_their_tokens() {
        let axis = [names(&[&["<s>"], &["le"], &["chat"]]), names(&[&["le"], &["chat"], &["dort"]])];
        assert_eq!(Places::new("chat").named(&axis), [1..2, 2..3]);
        assert_eq!(Places::new("dort").named(&axis), [2..3]);
    }

    #[test]
    fn seconds_name_frames() {
        let frames = (0..50).map(|at| (f64::from(at) * 0.02, f64::from(at + 1) * 0.02)).collect();
        let names = [AxisNames { items: vec![String::new(); 51], words: Vec::new(), seconds: frames }];
        assert_eq!(Places::new("0.5s").named(&names), [25..26]);
        let named = |text: &str| Places::new(text).named(&names).len();
        assert_eq!([named("0.1s-0.2s"), named("0.1-0.2s"), named("2s"), named("2s-1s")], [5, 5, 0, 0]);
        let word = [self::names(&[&["7s"]])];
        assert_eq!(Places::new("7s").named(&word), [0..1]);
    }

    #[test]
    fn weights_name_no_place() {
        assert_eq!(Places::new("a  >0.2 3-4").named_text(), "a 3-4");
        let places = Places::new(">0.2 >0.1");
        assert!(!places.is_empty() && !places.names_any());
        assert_eq!(places.min_weight(), 0.2);
        assert!(places.named(&[names(&[&["a"]])]).is_empty());
        assert!(Places::new("  ").is_empty());
    }
}
