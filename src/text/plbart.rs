//! PLBart's tokenizer and XLM-ProphetNet's: a SentencePiece vocabulary moved up, with special tokens before
//! it.

use std::collections::BTreeMap;

use super::languages::codes;
use super::scripted::{AddedTokens, Scripted, Words, strip};
use super::sentencepiece::{SPACE, SentencePiece};
use super::settings::{AddedToken, Settings, Special};
use crate::error::Result;
use crate::files::ModelFiles;

struct Shifted {
    model: SentencePiece,
    /// Tokens whose ids are fixed.
    fixed: Vec<(String, u32)>,
    /// How far the pieces are moved up.
    offset: u32,
    unknown: u32,
}

impl Words for Shifted {
    fn split(&self, text: &str) -> Vec<String> {
        self.model.encode(text)
    }

    fn id(&self, piece: &str) -> Option<u32> {
        self.known(piece).or(Some(self.unknown))
    }

    fn known(&self, token: &str) -> Option<u32> {
        let fixed = self.fixed.iter().find(|(text, _)| text == token).map(|(_, id)| *id);
        fixed.or_else(|| self.model.id(token).filter(|id| *id != 0).map(|id| id + self.offset))
    }

    fn piece(&self, id: u32) -> Option<String> {
        let fixed = self.fixed.iter().find(|(_, fixed)| *fixed == id).map(|(text, _)| text.clone());
        fixed.or_else(|| self.model.piece(id.checked_sub(self.offset)?).map(String::from))
    }

    fn join(&self, pieces: &[String], _: &dyn Fn(&str) -> bool) -> String {
        strip(&pieces.concat().replace(SPACE, " ")).into()
    }

    fn size(&self) -> u32 {
        self.model.len() as u32 + self.offset + self.fixed.len() as u32
    }
}

/// PLBart's; [`super::languages`] puts the language codes in place.
pub(crate) fn load(files: &ModelFiles, settings: &Settings) -> Result<Scripted> {
    let name = "sentencepiece.bpe.model";
    let multi = settings.text("language_codes") == Some("multi");
    let more = if multi { codes::PLBART_MULTI } else { "" };
    let codes: Vec<&str> = codes::PLBART.split_whitespace().chain(more.split_whitespace()).collect();
    let mut extra: Vec<Special> = codes.iter().map(|code| Special::text(code)).collect();
    extra.extend(settings.additional.clone().unwrap_or_default());
    let defaults = [
        ("bos_token", "<s>"),
        ("eos_token", "</s>"),
        ("unk_token", "<unk>"),
        ("sep_token", "</s>"),
        ("cls_token", "<s>"),
        ("pad_token", "<pad>"),
        ("mask_token", "<mask>"),
    ];
    let specials = settings.specials(&defaults, extra);
    let model = SentencePiece::load(name, &files.need(name)?)?;
    let first = model.len() as u32 + 1;
    let mask = (!multi).then_some("<mask>");
    let fixed = ["<s>", "<pad>", "</s>", "<unk>"].into_iter().zip(0..);
    let fixed = fixed.chain(codes.into_iter().chain(mask).zip(first..));
    let fixed = fixed.map(|(token, id)| (token.to_string(), id)).collect();
    let words = Shifted { model, fixed, offset: 1, unknown: 3 };
    // here special tokens take no whitespace, and one without an id of its own becomes the unknown token
    let mut added = AddedTokens::default();
    for special in specials.all() {
        added.by_text.insert(special.content.clone(), words.known(&special.content).unwrap_or(words.unknown));
    }
    let mut scripted = Scripted::new(Box::new(words), added, &specials, settings);
    scripted.clean_up = settings.flag("clean_up_tokenization_spaces", true);
    Ok(scripted)
}

/// XLM-ProphetNet's: `text [SEP]`.
pub(crate) fn xlm_prophetnet(files: &ModelFiles, settings: &Settings) -> Result<Scripted> {
    let name = "prophetnet.tokenizer";
    let defaults = [
        ("bos_token", "[SEP]"),
        ("eos_token", "[SEP]"),
        ("sep_token", "[SEP]"),
        ("unk_token", "[UNK]"),
        ("pad_token", "[PAD]"),
        ("cls_token", "[CLS]"),
        ("mask_token", "[MASK]"),
    ];
    let specials = settings.specials(&defaults, settings.additional.clone().unwrap_or_default());
    let model = SentencePiece::load(name, &files.need(name)?)?;
    let first = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"].map(String::from);
    let fixed = first.into_iter().chain((0..10).map(|n| format!("[unused{n}]"))).zip(0..).collect();
    let words = Shifted { model, fixed, offset: 12, unknown: 3 };
    let mut from_files: BTreeMap<u32, AddedToken> = settings.added.clone();
    from_files.extend(
        (0..10).map(|n| (5 + n, AddedToken { content: format!("[unused{n}]"), ..AddedToken::default() })),
    );
    let added = AddedTokens::new(from_files, &specials, &words);
    let end = specials.role("sep_token").and_then(|token| words.known(token));
    Ok(Scripted::new(Box::new(words), added, &specials, settings)
        .framed(Vec::new(), end.into_iter().collect()))
}
