//! Moses detokenization: joins words to running text.

use std::collections::HashMap;

use super::super::python::is_space;
use super::classes::CharClasses;

const ESCAPED: [(&str, &str); 11] = [
    ("&bar;", "|"),
    ("&#124;", "|"),
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&bra;", "["),
    ("&ket;", "]"),
    ("&quot;", "\""),
    ("&apos;", "'"),
    ("&#91;", "["),
    ("&#93;", "]"),
    ("&amp;", "&"),
];

/// Unicode blocks of Chinese, Japanese and Korean, which are written without spaces.
const CJK: [(char, char); 11] = [
    ('\u{1100}', '\u{11ff}'),
    ('\u{2e80}', '\u{a4cf}'),
    ('\u{a840}', '\u{a87f}'),
    ('\u{ac00}', '\u{d7af}'),
    ('\u{f900}', '\u{faff}'),
    ('\u{fe30}', '\u{fe4f}'),
    ('\u{ff65}', '\u{ffdc}'),
    ('\u{17000}', '\u{18aff}'),
    ('\u{1b000}', '\u{1b12f}'),
    ('\u{1b170}', '\u{1b2ff}'),
    ('\u{20000}', '\u{2ffff}'),
];

fn is_cjk(c: char) -> bool {
    CJK.iter().any(|(first, last)| (*first..=*last).contains(&c))
}

/// Moses detokenizer of a language.
pub(crate) struct Detokenizer {
    language: String,
    classes: CharClasses,
}

/// Spaces around a word.
enum Spacing {
    /// No space before the word.
    JoinLeft,
    /// No space after the word.
    JoinRight,
    /// A space on either side.
    Separate,
}

impl Detokenizer {
    /// Creates the detokenizer of a language. Czech and Finnish, for which Moses has own rules, get the
    /// common ones.
    pub fn new(language: &str) -> Self {
        Self { language: language.into(), classes: CharClasses::new() }
    }

    /// Joins words to text.
    pub fn join(&self, words: &[&str]) -> String {
        let text = format!(" {} ", words.join(" ")).replace(" @-@ ", "-");
        let text = ESCAPED.iter().fold(text, |text, (from, to)| text.replace(from, to));
        let words: Vec<&str> = text.split(is_space).filter(|word| !word.is_empty()).collect();
        let mut out = String::new();
        let mut space = " ";
        let mut quotes: HashMap<String, usize> = HashMap::new();
        for (at, word) in words.iter().enumerate() {
            let before = at.checked_sub(1).and_then(|at| words.get(at)).copied();
            let next = words.get(at + 1).copied();
            if self.language == "fr" && matches!(*word, "?" | "!" | ":" | ";" | "\\" | "%") {
                out.push(' ');
            }
            let spacing = self.spacing(word, before, next, &mut quotes);
            if !matches!(spacing, Spacing::JoinLeft) {
                out.push_str(space);
            }
            out.push_str(word);
            space = if matches!(spacing, Spacing::JoinRight) { "" } else { " " };
        }
        let squeezed = out.split(' ').filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        squeezed.trim_matches(is_space).to_string()
    }

    /// Decides on the spaces around a word; `quotes` counts the quotation marks so far.
    fn spacing(
        &self,
        word: &str,
        before: Option<&str>,
        next: Option<&str>,
        quotes: &mut HashMap<String, usize>,
    ) -> Spacing {
        let all = |is: &dyn Fn(char) -> bool| word.chars().all(is);
        if word.starts_with(is_cjk) && self.language != "ko" {
            return if before.is_some_and(|before| before.ends_with(is_cjk)) {
                Spacing::JoinLeft
            } else {
                Spacing::Separate
            };
        }
        if all(&|c| self.classes.is_currency(c) || "([{¿¡".contains(c)) {
            return Spacing::JoinRight;
        }
        if all(&|c| ",.?!:;\\%}])".contains(c)) {
            return Spacing::JoinLeft;
        }
        let letter_at =
            |text: &str, from: usize| text.chars().nth(from).is_some_and(|c| self.classes.is_letter(c));
        if self.language == "en" && before.is_some() && word.starts_with('\'') && letter_at(word, 1) {
            return Spacing::JoinLeft;
        }
        let elided =
            word.strip_suffix('\'').is_some_and(|stem| stem.ends_with(|c| self.classes.is_letter(c)));
        if matches!(self.language.as_str(), "fr" | "it" | "ga")
            && elided
            && next.is_some_and(|next| letter_at(next, 0))
        {
            return Spacing::JoinRight;
        }
        if all(&|c| "'\"„“`".contains(c)) {
            return self.quote(word, before, quotes);
        }
        Spacing::Separate
    }

    /// Decides on the spaces around a quotation mark: marks open and close alternately.
    fn quote(&self, word: &str, before: Option<&str>, quotes: &mut HashMap<String, usize>) -> Spacing {
        let mark = if word.chars().all(|c| "„“”".contains(c)) { "\"" } else { word };
        let count = quotes.entry(mark.to_string()).or_default();
        let possessive =
            self.language == "en" && word == "'" && before.is_some_and(|before| before.ends_with('s'));
        match count.is_multiple_of(2) {
            true if possessive => Spacing::JoinLeft,
            open => {
                *count += 1;
                if open { Spacing::JoinRight } else { Spacing::JoinLeft }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_text_again() {
        let english = Detokenizer::new("en");
        let words = ["He", "said", ":", "&quot;", "it", "&apos;s", "well", "@-@", "known", "&quot;", "."];
        assert_eq!(english.join(&words), "He said: \"it's well-known\".");
        assert_eq!(english.join(&["$", "5", "(", "five", ")"]), "$5 (five)");
        assert_eq!(english.join(&[]), "");
        assert_eq!(Detokenizer::new("fr").join(&["l&apos;", "été", "!"]), "l'été !");
        assert_eq!(english.join(&["日", "本"]), "日本");
    }
}
