//! ByT5's tokenizer: the bytes of the text, three special tokens below them and sentinels above.

use super::scripted::{AddedTokens, Scripted, Words};
use super::settings::{AddedToken, Settings, Special};

/// The ids of the special tokens come before those of the bytes.
const OFFSET: u32 = 3;

/// A byte is spelled as the character with its number.
struct Bytes;

impl Words for Bytes {
    fn split(&self, text: &str) -> Vec<String> {
        text.bytes().map(|byte| char::from(byte).to_string()).collect()
    }

    fn id(&self, piece: &str) -> Option<u32> {
        self.known(piece)
    }

    fn known(&self, token: &str) -> Option<u32> {
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

/// Builds the tokenizer; it needs no file.
pub(crate) fn load(settings: &Settings) -> Scripted {
    let count = settings.option("extra_ids").and_then(serde_json::Value::as_u64).unwrap_or(125);
    let sentinels: Vec<Special> = (0..count).map(|n| Special::text(&format!("<extra_id_{n}>"))).collect();
    let sentinels = settings.additional.clone().filter(|list| !list.is_empty()).unwrap_or(sentinels);
    let defaults = [("eos_token", "</s>"), ("unk_token", "<unk>"), ("pad_token", "<pad>")];
    let mut specials = settings.specials(&defaults, sentinels);
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
    from_files.extend(settings.added.clone());
    let added = AddedTokens::new(from_files, &specials, &Bytes);
    let end = specials.role("eos_token").and_then(|token| added.by_text.get(token)).copied();
    Scripted::new(Box::new(Bytes), added, &specials, settings)
        .framed(Vec::new(), end.into_iter().collect())
        .ending_once()
}
