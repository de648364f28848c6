//! Moses' normalization of punctuation, applied before tokenization.

use regex::Regex;

use super::super::backend::tokenizer_error;
use super::super::python::strip;
use super::classes::CharClasses;
use super::rules::Rules;
use crate::error::Result;

/// Full-width characters and quotation marks, to ASCII.
const WIDE: [(&str, &str); 24] = [
    ("，|、", ","),
    (r"。[{space}]*", ". "),
    ("[”“《》」「]", "\""),
    ("[∶：]", ":"),
    ("？", "?"),
    ("）", ")"),
    ("！", "!"),
    ("（", "("),
    ("；", ";"),
    ("０", "0"),
    ("１", "1"),
    ("２", "2"),
    ("３", "3"),
    ("４", "4"),
    ("５", "5"),
    ("６", "6"),
    ("７", "7"),
    ("８", "8"),
    ("９", "9"),
    (r"．[{space}]*", ". "),
    ("～", "~"),
    ("’", "'"),
    ("…", "..."),
    ("━", "-"),
];
const BRACKETS: [(&str, &str); 5] = [("〈", "<"), ("〉", ">"), ("【", "["), ("】", "]"), ("％", "%")];

/// Spaces and brackets, quotation marks, guillemets, no-break spaces, in this order.
const COMMON: [(&str, &str); 39] = [
    ("\r", ""),
    (r"\(", " ("),
    (r"\)", ") "),
    (" +", " "),
    (r"\) ([.!:?;,])", ")$1"),
    (r"\( ", "("),
    (r" \)", ")"),
    (r"(\d) %", "$1%"),
    (" :", ":"),
    (" ;", ";"),
    ("`", "'"),
    ("''", " \" "),
    ("[„“”]", "\""),
    ("–", "-"),
    ("—", " - "),
    (" +", " "),
    ("´", "'"),
    ("([a-zA-Z])‘([a-zA-Z])", "$1'$2"),
    ("([a-zA-Z])’([a-zA-Z])", "$1'$2"),
    ("[‘‚’]", "'"),
    ("''", "\""),
    ("´´", "\""),
    ("…", "..."),
    ("\u{a0}«\u{a0}", "\""),
    ("«\u{a0}", "\""),
    ("«", "\""),
    ("\u{a0}»\u{a0}", "\""),
    ("\u{a0}»", "\""),
    ("»", "\""),
    ("\u{a0}%", "%"),
    ("nº\u{a0}", "nº "),
    ("\u{a0}:", ":"),
    ("\u{a0}ºC", " ºC"),
    ("\u{a0}cm", " cm"),
    ("\u{a0}\\?", "?"),
    ("\u{a0}!", "!"),
    ("\u{a0};", ";"),
    (",\u{a0}", ", "),
    (" +", " "),
];
const ENGLISH_QUOTES: [(&str, &str); 1] = [("\"([,.]+)", "$1\"")];
const CONTINENTAL_QUOTES: [(&str, &str); 2] = [(",\"", "\","), (r#"(\.+)"([{space}]*[^<])"#, "\"$1$2")];
const COMMA_NUMBERS: [(&str, &str); 1] = [("(\\d)\u{a0}(\\d)", "$1,$2")];
const POINT_NUMBERS: [(&str, &str); 1] = [("(\\d)\u{a0}(\\d)", "$1.$2")];

/// Punctuation normalizer of a language.
pub(super) struct PunctuationNormalizer {
    rules: Vec<Rules>,
    /// Matches control characters.
    control: Regex,
}

impl PunctuationNormalizer {
    /// Compiles the rules of a language.
    pub fn new(language: &str, classes: &CharClasses) -> Result<Self> {
        let mut rules: Vec<&[(&str, &'static str)]> = vec![&WIDE, &BRACKETS, &COMMON];
        match language {
            "en" => rules.push(&ENGLISH_QUOTES),
            "de" | "es" | "fr" => rules.push(&CONTINENTAL_QUOTES),
            _ => {}
        }
        let comma = matches!(language, "de" | "es" | "cz" | "cs" | "fr");
        rules.push(if comma { &COMMA_NUMBERS } else { &POINT_NUMBERS });
        Ok(Self {
            rules: rules.into_iter().map(|rules| Rules::new(rules, classes)).collect::<Result<_>>()?,
            control: Regex::new(r"\p{C}").map_err(tokenizer_error)?,
        })
    }

    /// Normalizes punctuation and removes control characters.
    pub fn normalize(&self, text: &str) -> String {
        let text = self.rules.iter().fold(text.to_string(), |text, rules| rules.apply(&text));
        self.control.replace_all(strip(&text), "").into_owned()
    }
}
