//! ByT5: ids 0 to 2 are special tokens, the next 256 are bytes, and sentinels (`<extra_id_0>`, ...) follow.

use super::config::{AddedToken, SpecialToken, TokenizerConfig};
use super::slow::{AddedTokens, SlowModel, SlowTokenizer};
use super::t5::sentinels;

/// Id of byte 0: the special tokens come first.
const OFFSET: u32 = 3;

/// A vocabulary of bytes, each spelled as the character with its code.
struct ByteModel;

impl SlowModel for ByteModel {
    fn split(&self, text: &str) -> Vec<String> {
        text.bytes().map(|byte| char::from(byte).to_string()).collect()
    }

    fn id_or_unknown(&self, piece: &str) -> Option<u32> {
        self.id(piece)
    }

    fn id(&self, token: &str) -> Option<u32> {
        let mut characters = token.chars();
        let byte = u8::try_from(characters.next()?).ok()?;
        characters.next().is_none().then(|| u32::from(byte) + OFFSET)
    }

    fn piece(&self, id: u32) -> Option<String> {
        char::from_u32(id.checked_sub(OFFSET)?).map(String::from)
    }

    fn join(&self, pieces: &[String], _: &dyn Fn(&str) -> bool) -> String {
        let mut bytes = Vec::new();
        for piece in pieces {
            let mut characters = piece.chars();
            match (characters.next().map(u8::try_from), characters.next()) {
                (Some(Ok(byte)), None) => bytes.push(byte),
                _ => bytes.extend(piece.bytes()),
            }
        }
        bytes.utf8_chunks().map(|chunk| chunk.valid()).collect()
    }

    fn size(&self) -> u32 {
        256
    }
}

/// Builds the tokenizer, which needs no vocabulary file.
pub(crate) fn load(config: &TokenizerConfig) -> SlowTokenizer {
    let sentinels: Vec<SpecialToken> =
        sentinels(config, 125).iter().map(|sentinel| SpecialToken::text(sentinel)).collect();
    let sentinels = config.additional.clone().filter(|list| !list.is_empty()).unwrap_or(sentinels);
    let defaults = [("eos_token", "</s>"), ("unk_token", "<unk>"), ("pad_token", "<pad>")];
    let mut specials = config.special_tokens(&defaults, sentinels);
    let mut from_files = std::collections::BTreeMap::new();
    for (id, role) in [(0, "pad_token"), (1, "eos_token"), (2, "unk_token")] {
        specials.refine(role, |token| AddedToken { lstrip: true, rstrip: true, ..token });
        let token = specials
            .roles
            .iter()
            .find(|(name, _)| name == role)
            .and_then(|(_, special)| special.token.clone());
        from_files.extend(token.map(|token| (id, token)));
    }
    from_files.extend(config.added.clone());
    let added = AddedTokens::new(from_files, &specials, &ByteModel);
    let end = specials.role("eos_token").and_then(|token| added.by_text.get(token)).copied();
    SlowTokenizer::new(Box::new(ByteModel), added, &specials, config)
        .with_special_tokens(Vec::new(), end.into_iter().collect())
        .with_single_suffix()
}
