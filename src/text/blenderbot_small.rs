//! BlenderbotSmall: BPE of lower-cased words; every piece but a word's last ends in `@@`.

use super::config::TokenizerConfig;
use super::python::strip;
use super::slow::{AddedTokens, SlowModel, SlowTokenizer};
use super::vocabulary::Vocabulary;
use super::word_bpe::{END_OF_WORD, WordBpe};
use crate::error::Result;
use crate::files::ModelFiles;

struct BlenderbotSmall {
    bpe: WordBpe,
    vocab: Vocabulary,
    unknown: String,
}

/// Puts spaces around punctuation and replaces line breaks by `__newln__`, as in the model's training data.
fn spaced(token: &str) -> String {
    let mut out = String::with_capacity(token.len() + 8);
    let mut after_space = false;
    let mut push = |c: char| {
        // a run of whitespace becomes one space, but a single line break stays
        if c.is_whitespace() && after_space {
            out.truncate(out.trim_end().len());
            out.push(' ');
        } else {
            out.push(c);
        }
        after_space = c.is_whitespace();
    };
    for c in token.chars() {
        match c {
            '.' | ',' | '!' | '?' | '(' | ')' => [' ', c].into_iter().for_each(&mut push),
            '\'' => [' ', c, ' '].into_iter().for_each(&mut push),
            _ => push(c),
        }
    }
    out.replace('\n', " __newln__")
}

/// Splits at whitespace; a line break stays with the text before it.
fn runs(text: &str) -> Vec<&str> {
    let mut runs = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices() {
        match (start, c.is_whitespace()) {
            (None, false) => start = Some(at),
            (Some(from), true) => {
                runs.push(&text[from..at + usize::from(c == '\n')]);
                start = None;
            }
            _ => {}
        }
    }
    runs.extend(start.map(|from| &text[from..]));
    runs
}

impl SlowModel for BlenderbotSmall {
    fn split(&self, text: &str) -> Vec<String> {
        let mut out = Vec::new();
        for run in runs(text) {
            for word in spaced(run).split(' ').filter(|word| !word.is_empty()) {
                let word = word.to_lowercase();
                if word.chars().count() == 1 {
                    out.push(word);
                    continue;
                }
                let mut pieces = self.bpe.split(&word);
                let last = pieces.pop().unwrap_or_default();
                out.extend(pieces.into_iter().map(|piece| piece + "@@"));
                out.push(last.strip_suffix(END_OF_WORD).unwrap_or(&last).to_string());
            }
        }
        out
    }

    fn id_or_unknown(&self, piece: &str) -> Option<u32> {
        self.vocab.id(&piece.to_lowercase()).or_else(|| self.vocab.id(&self.unknown))
    }

    fn id(&self, token: &str) -> Option<u32> {
        self.vocab.id(token)
    }

    fn piece(&self, id: u32) -> Option<String> {
        self.vocab.piece(id).or_else(|| Some(self.unknown.clone()))
    }

    fn join(&self, pieces: &[String], _: &dyn Fn(&str) -> bool) -> String {
        strip(&pieces.join(" ").replace("@@ ", "")).into()
    }

    fn size(&self) -> u32 {
        self.vocab.len()
    }
}

/// Builds the tokenizer, which adds no special tokens.
pub(crate) fn load(files: &ModelFiles, config: &TokenizerConfig) -> Result<SlowTokenizer> {
    let defaults = [
        ("bos_token", "__start__"),
        ("eos_token", "__end__"),
        ("unk_token", "__unk__"),
        ("pad_token", "__null__"),
    ];
    let specials = config.special_tokens(&defaults, config.additional.clone().unwrap_or_default());
    let model = BlenderbotSmall {
        bpe: WordBpe::load(files, 1)?,
        vocab: Vocabulary::load(files, "vocab.json")?,
        unknown: specials.role("unk_token").unwrap_or("__unk__").into(),
    };
    let added = AddedTokens::new(config.added.clone(), &specials, &model);
    Ok(SlowTokenizer::new(Box::new(model), added, &specials, config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn punctuation_and_line_breaks_become_words() {
        assert_eq!(spaced("it's,ok\n"), "it ' s ,ok __newln__");
        assert_eq!(spaced("dogs'\n"), "dogs ' ");
        assert_eq!(runs(" a\nb  c"), ["a\n", "b", "c"]);
    }
}
