//! BlenderbotSmall's tokenizer: lower-cased words in BPE, all but the last piece of a word ending in `@@`.

use super::marian::Vocabulary;
use super::scripted::{AddedTokens, Scripted, Words, strip};
use super::settings::Settings;
use super::word_bpe::{END, WordBpe};
use crate::error::Result;
use crate::files::ModelFiles;

struct BlenderbotSmall {
    bpe: WordBpe,
    vocab: Vocabulary,
    unknown: String,
}

/// Spaces around punctuation and a word for the line break, as the model was trained with.
fn spaced(token: &str) -> String {
    let mut out = String::with_capacity(token.len() + 8);
    let mut after_space = false;
    let mut push = |c: char| {
        // a run of whitespace is one space, a line break alone is a word
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

/// Runs of characters other than whitespace, each with the line break behind it.
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

impl Words for BlenderbotSmall {
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
                out.push(last.strip_suffix(END).unwrap_or(&last).to_string());
            }
        }
        out
    }

    fn id(&self, piece: &str) -> Option<u32> {
        self.vocab.id(&piece.to_lowercase()).or_else(|| self.vocab.id(&self.unknown))
    }

    fn known(&self, token: &str) -> Option<u32> {
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

/// Builds the tokenizer; nothing stands around the text.
pub(crate) fn load(files: &ModelFiles, settings: &Settings) -> Result<Scripted> {
    let defaults = [
        ("bos_token", "__start__"),
        ("eos_token", "__end__"),
        ("unk_token", "__unk__"),
        ("pad_token", "__null__"),
    ];
    let specials = settings.specials(&defaults, settings.additional.clone().unwrap_or_default());
    let words = BlenderbotSmall {
        bpe: WordBpe::load(files, 1)?,
        vocab: Vocabulary::load(files, "vocab.json")?,
        unknown: specials.role("unk_token").unwrap_or("__unk__").into(),
    };
    let added = AddedTokens::new(settings.added.clone(), &specials, &words);
    Ok(Scripted::new(Box::new(words), added, &specials, settings))
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
