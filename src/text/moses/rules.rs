//! Lists of replacement rules.

use regex::Regex;

use super::super::backend::tokenizer_error;
use super::classes::CharClasses;
use crate::error::Result;

/// Regular expressions and their replacements, applied in order.
pub(super) struct Rules(pub Vec<(Regex, &'static str)>);

impl Rules {
    /// Compiles rules of (pattern, replacement); patterns may name character classes such as `{alpha}`.
    pub fn new(rules: &[(&str, &'static str)], classes: &CharClasses) -> Result<Self> {
        let rule = |(pattern, replacement): &(&str, &'static str)| {
            Ok((Regex::new(&classes.expand(pattern)).map_err(tokenizer_error)?, *replacement))
        };
        rules.iter().map(rule).collect::<Result<_>>().map(Self)
    }

    /// Applies every rule to the whole text.
    pub fn apply(&self, text: &str) -> String {
        let replace = |text: String, (pattern, replacement): &(Regex, &str)| {
            pattern.replace_all(&text, *replacement).into_owned()
        };
        self.0.iter().fold(text.to_string(), replace)
    }
}
