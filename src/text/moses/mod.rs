//! Moses tokenization (Koehn et al. 2007), with the rules of sacremoses in the same order. FSMT's models were
//! trained on text tokenized by them.

mod classes;
mod detokenize;
mod punctuation;
mod rules;

use regex::Regex;

use super::backend::tokenizer_error;
use super::python::{is_space, strip};
use crate::error::Result;
use classes::CharClasses;
pub(crate) use detokenize::Detokenizer;
use punctuation::PunctuationNormalizer;
use rules::Rules;

const SPACES: [(&str, &str); 2] = [("[{space}]+", " "), ("[\0-\x1f]", "")];
const SPECIAL: [(&str, &str); 1] = [(r"[^{alnum}{space}.'`,\-]", " $0 ")];
const COMMAS: [(&str, &str); 3] =
    [("([^{number}]),", "$1 , "), (",([^{number}])", " , $1"), ("([{number}]),$", "$1 , ")];
const ENGLISH: [(&str, &str); 5] = [
    ("([^{alpha}])'([^{alpha}])", "$1 ' $2"),
    ("([^{alpha}{number}])'([{alpha}])", "$1 ' $2"),
    ("([{alpha}])'([^{alpha}])", "$1 ' $2"),
    ("([{alpha}])'([{alpha}])", "$1 '$2"),
    ("([{number}])'(s)", "$1 '$2"),
];
const FRENCH: [(&str, &str); 4] = [
    ("([^{alpha}])'([^{alpha}])", "$1 ' $2"),
    ("([^{alpha}])'([{alpha}])", "$1 ' $2"),
    ("([{alpha}])'([^{alpha}])", "$1 ' $2"),
    ("([{alpha}])'([{alpha}])", "$1' $2"),
];
const OTHER: [(&str, &str); 1] = [("'", " ' ")];
const END: [(&str, &str); 2] = [("[{space}]+", " "), (r"\.' ?$", " . ' ")];
const ESCAPES: [(&str, &str); 8] = [
    ("&", "&amp;"),
    (r"\|", "&#124;"),
    ("<", "&lt;"),
    (">", "&gt;"),
    ("'", "&apos;"),
    ("\"", "&quot;"),
    (r"\[", "&#91;"),
    ("]", "&#93;"),
];

/// Moses tokenizer of a language.
pub(crate) struct Moses {
    classes: CharClasses,
    punctuation: PunctuationNormalizer,
    spaces: Rules,
    special: Rules,
    commas: Rules,
    apostrophes: Rules,
    end: Rules,
    escapes: Rules,
    /// Matches two or more dots.
    dots: Regex,
    /// Matches the placeholder of such dots.
    dot_words: Regex,
    /// Abbreviations that keep their full stop.
    prefixes: Vec<&'static str>,
    /// Abbreviations that keep it only before a number.
    numeric: Vec<&'static str>,
}

impl Moses {
    /// Compiles the rules of a language. A language without rules of its own gets the common ones and the
    /// English abbreviations.
    pub fn new(language: &str) -> Result<Self> {
        let classes = CharClasses::new();
        let rules = |rules: &[(&str, &'static str)]| Rules::new(rules, &classes);
        let (prefixes, numeric) = prefixes(language);
        Ok(Self {
            punctuation: PunctuationNormalizer::new(language, &classes)?,
            spaces: rules(&SPACES)?,
            special: rules(&SPECIAL)?,
            commas: rules(&COMMAS)?,
            apostrophes: match language {
                "en" => rules(&ENGLISH)?,
                "fr" | "it" => rules(&FRENCH)?,
                _ => rules(&OTHER)?,
            },
            end: rules(&END)?,
            escapes: rules(&ESCAPES)?,
            dots: Regex::new(r"\.{2,}").map_err(tokenizer_error)?,
            dot_words: Regex::new("(?:DOT)+MULTI").map_err(tokenizer_error)?,
            prefixes,
            numeric,
            classes,
        })
    }

    /// Splits a text into words and punctuation, with the special characters of XML escaped.
    pub fn words(&self, text: &str) -> Vec<String> {
        let text = self.spaces.apply(&self.punctuation.normalize(text));
        let text = self.special.apply(strip(&text));
        let text = self.commas.apply(&self.hide_dots(&self.split_hyphens(&text)));
        let text = self.full_stops(&self.apostrophes.apply(&text));
        let (squeeze, quote) = self.end.0.split_at(1);
        let squeezed =
            squeeze.iter().fold(text, |text, (found, space)| found.replace_all(&text, *space).into_owned());
        let text = strip(&squeezed).to_string();
        let text =
            quote.iter().fold(text, |text, (found, parted)| found.replace_all(&text, *parted).into_owned());
        let text =
            self.dot_words.replace_all(&text, |found: &regex::Captures| ".".repeat((found[0].len() - 5) / 3));
        self.escapes.apply(&text).split(is_space).filter(|word| !word.is_empty()).map(String::from).collect()
    }

    /// Splits words at hyphens: `well-known` becomes `well @-@ known`.
    fn split_hyphens(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut before = None;
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            let inside = c == '-'
                && before.is_some_and(|before| self.classes.is_alnum(before))
                && rest.peek().is_some_and(|next| self.classes.is_alnum(*next));
            if inside {
                out.push_str(" @-@ ");
            } else {
                out.push(c);
            }
            before = Some(c);
        }
        out
    }

    /// Replaces two or more dots by a placeholder word that no rule splits.
    fn hide_dots(&self, text: &str) -> String {
        let word = |found: &regex::Captures| {
            let run = found.get(0).map_or(0..0, |run| run.range());
            let space = if run.end < text.len() { " " } else { "" };
            format!(" {}MULTI{space}", "DOT".repeat(run.len()))
        };
        self.dots.replace_all(text, word).into_owned()
    }

    /// Separates full stops from words, except in abbreviations and before a lower-case word.
    fn full_stops(&self, text: &str) -> String {
        let words: Vec<&str> = text.split(is_space).filter(|word| !word.is_empty()).collect();
        let mut out = Vec::with_capacity(words.len());
        for (at, word) in words.iter().enumerate() {
            let next = words.get(at + 1);
            match word.strip_suffix('.').filter(|prefix| !prefix.is_empty()) {
                Some(prefix) if !self.keeps_stop(prefix, next.copied()) => out.push(format!("{prefix} .")),
                _ => out.push((*word).to_string()),
            }
        }
        out.join(" ")
    }

    /// Returns true if the full stop between `prefix` and the word `next` does not end a sentence.
    fn keeps_stop(&self, prefix: &str, next: Option<&str>) -> bool {
        let abbreviation = prefix.contains('.') && prefix.chars().any(|c| self.classes.is_alpha(c));
        let listed = self.prefixes.contains(&prefix) && !self.numeric.contains(&prefix);
        let goes_on = next.is_some_and(|next| next.starts_with(char::is_lowercase));
        let number = self.numeric.contains(&prefix)
            && next.is_some_and(|next| next.starts_with(|c: char| c.is_ascii_digit()));
        abbreviation || listed || goes_on || number
    }
}

/// Returns the abbreviations of a language, and those that count only before a number.
fn prefixes(language: &str) -> (Vec<&'static str>, Vec<&'static str>) {
    const LISTS: &str = include_str!("prefixes.txt");
    let (mut all, mut numeric) = (Vec::new(), Vec::new());
    let known = LISTS.lines().any(|line| line.strip_suffix(':') == Some(language));
    let language = if known { language } else { "en" };
    let (mut here, mut numbers) = (false, false);
    for line in LISTS.lines().filter(|line| !line.starts_with('#')) {
        match line.strip_suffix(':') {
            Some(head) => {
                here = head.split(' ').next() == Some(language);
                numbers = head.ends_with(" number");
            }
            None if here && numbers => numeric.extend(line.split(' ')),
            None if here => all.extend(line.split(' ')),
            None => {}
        }
    }
    (all, numeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_as_moses_cuts_them() {
        let english = Moses::new("en").unwrap();
        assert_eq!(english.words("Mr. Smith isn't here."), ["Mr.", "Smith", "isn", "&apos;t", "here", "."]);
        assert_eq!(
            english.words("a well-known fact... No. 5, 1,234"),
            ["a", "well", "@-@", "known", "fact", "...", "No.", "5", ",", "1,234"]
        );
        assert_eq!(english.words(" <b> & |"), ["&lt;", "b", "&gt;", "&amp;", "&#124;"]);
        assert!(english.words(" \n").is_empty());
        assert_eq!(Moses::new("fr").unwrap().words("l'été"), ["l&apos;", "été"]);
        assert_eq!(Moses::new("de").unwrap().words("z.B. so."), ["z.B.", "so", "."]);
    }
}
