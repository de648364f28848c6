//! PLBart and XLM-ProphetNet: a SentencePiece vocabulary with its ids shifted up to make room for special
//! tokens.

use std::collections::BTreeMap;

use super::config::{AddedToken, SpecialToken, TokenizerConfig};
use super::languages::codes;
use super::python::strip;
use super::sentencepiece::{SPACE, SentencePiece};
use super::slow::{AddedTokens, SlowModel, SlowTokenizer};
use crate::error::Result;
use crate::files::ModelFiles;

struct ShiftedModel {
    sentencepiece: SentencePiece,
    /// Tokens with ids outside the shifted vocabulary.
    fixed: Vec<(String, u32)>,
    /// Added to a SentencePiece id to get the model's.
    offset: u32,
    unknown: u32,
}

impl SlowModel for ShiftedModel {
    fn split(&self, text: &str) -> Vec<String> {
        self.sentencepiece.encode(text)
    }

    fn id_or_unknown(&self, piece: &str) -> Option<u32> {
        self.id(piece).or(Some(self.unknown))
    }

    fn id(&self, token: &str) -> Option<u32> {
        let fixed = self.fixed.iter().find(|(text, _)| text == token).map(|(_, id)| *id);
        fixed.or_else(|| self.sentencepiece.id(token).filter(|id| *id != 0).map(|id| id + self.offset))
    }

    fn piece(&self, id: u32) -> Option<String> {
        let fixed = self.fixed.iter().find(|(_, fixed)| *fixed == id).map(|(text, _)| text.clone());
        fixed.or_else(|| self.sentencepiece.piece(id.checked_sub(self.offset)?).map(String::from))
    }

    fn join(&self, pieces: &[String], _: &dyn Fn(&str) -> bool) -> String {
        strip(&pieces.concat().replace(SPACE, " ")).into()
    }

    fn size(&self) -> u32 {
        self.sentencepiece.len() as u32 + self.offset + self.fixed.len() as u32
    }
}

/// Builds PLBart's tokenizer; [`super::languages`] adds the language tags to a text.
pub(crate) fn load(files: &ModelFiles, config: &TokenizerConfig) -> Result<SlowTokenizer> {
    let name = "sentencepiece.bpe.model";
    let multi = config.text("language_codes") == Some("multi");
    let more = if multi { codes::PLBART_MULTI } else { "" };
    let codes: Vec<&str> = codes::PLBART.split_whitespace().chain(more.split_whitespace()).collect();
    let mut extra: Vec<SpecialToken> = codes.iter().map(|code| SpecialToken::text(code)).collect();
    extra.extend(config.additional.clone().unwrap_or_default());
    let defaults = [
        ("bos_token", "<s>"),
        ("eos_token", "</s>"),
        ("unk_token", "<unk>"),
        ("sep_token", "</s>"),
        ("cls_token", "<s>"),
        ("pad_token", "<pad>"),
        ("mask_token", "<mask>"),
    ];
    let specials = config.special_tokens(&defaults, extra);
    let sentencepiece = SentencePiece::load(name, &files.need(name)?)?;
    let first = sentencepiece.len() as u32 + 1;
    let mask = (!multi).then_some("<mask>");
    let fixed = ["<s>", "<pad>", "</s>", "<unk>"].into_iter().zip(0..);
    let fixed = fixed.chain(codes.into_iter().chain(mask).zip(first..));
    let fixed = fixed.map(|(token, id)| (token.to_string(), id)).collect();
    let model = ShiftedModel { sentencepiece, fixed, offset: 1, unknown: 3 };
    // special tokens strip no whitespace here, and one without an id maps to the unknown token
    let mut added = AddedTokens::default();
    for special in specials.all() {
        added.by_text.insert(special.content.clone(), model.id(&special.content).unwrap_or(model.unknown));
    }
    let mut tokenizer = SlowTokenizer::new(Box::new(model), added, &specials, config);
    tokenizer.clean_up = config.flag("clean_up_tokenization_spaces", true);
    Ok(tokenizer)
}

/// Builds XLM-ProphetNet's tokenizer, which encodes as `text [SEP]`.
pub(crate) fn xlm_prophetnet(files: &ModelFiles, config: &TokenizerConfig) -> Result<SlowTokenizer> {
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
    let specials = config.special_tokens(&defaults, config.additional.clone().unwrap_or_default());
    let sentencepiece = SentencePiece::load(name, &files.need(name)?)?;
    let first = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"].map(String::from);
    let fixed = first.into_iter().chain((0..10).map(|n| format!("[unused{n}]"))).zip(0..).collect();
    let model = ShiftedModel { sentencepiece, fixed, offset: 12, unknown: 3 };
    let mut from_files: BTreeMap<u32, AddedToken> = config.added.clone();
    from_files.extend(
        (0..10).map(|n| (5 + n, AddedToken { content: format!("[unused{n}]"), ..AddedToken::default() })),
    );
    let added = AddedTokens::new(from_files, &specials, &model);
    let end = specials.role("sep_token").and_then(|token| model.id(token));
    Ok(SlowTokenizer::new(Box::new(model), added, &specials, config)
        .with_special_tokens(Vec::new(), end.into_iter().collect()))
}
