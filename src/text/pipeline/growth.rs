//! Bounds on how much a tokenizer.json may lengthen a text, found in its JSON before the `tokenizers` crate runs
//! it: a few replacements in a row turn one letter into gigabytes.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::Deserialize;
use serde_json::Value;

/// Largest product of the growth of all steps. Normalizers of real tokenizers have up to some thousands, as a
/// few characters have long compatibility forms.
const MAX_GROWTH: usize = 1 << 16;

/// Maximum number of bytes that are put before a text, and of special tokens around it.
const MAX_ADDED: usize = 4096;

/// Largest size in bytes that a text may grow to.
pub(super) const MAX_GROWN: usize = 32 << 20;

/// Maximum number of bytes of all added tokens.
const MAX_ADDED_TOKENS: usize = 1 << 20;

/// Growth of a text in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Growth {
    /// Largest number of bytes that one byte turns into.
    pub factor: usize,
    /// Number of bytes that are added once.
    added: usize,
}

impl Growth {
    const NONE: Self = Self { factor: 1, added: 0 };

    /// Returns the growth by a normalizer or decoder, in the form of tokenizer.json.
    pub(super) fn of(step: &Value) -> Self {
        let text = |key: &str| step.get(key).and_then(Value::as_str);
        let pattern = step.get("pattern");
        let string = pattern.and_then(|pattern| pattern.get("String")).and_then(Value::as_str);
        let times = |factor| Self { factor, ..Self::NONE };
        match (text("content"), text("prepend"), text("precompiled_charsmap"), text("type")) {
            // A regular expression may match between any two bytes.
            (Some(content), ..) => match string {
                Some(string) => times(content.len().div_ceil(string.len().max(1)).max(1)),
                None => times(1 + content.len()),
            },
            (_, Some(prepended), ..) => Self { factor: 1, added: prepended.len() },
            (_, _, Some(map), _) => times(longest_replacement(map)),
            // U+FDFA, of three bytes, stands for a sentence of 33.
            (_, _, _, Some("NFKC" | "NFKD")) => times(11),
            (_, _, _, Some("ByteLevel")) => times(2),
            _ => {
                let steps = ["normalizers", "decoders"].into_iter().find_map(|key| step.get(key)?.as_array());
                steps.into_iter().flatten().map(Self::of).fold(Self::NONE, |all, step| Self {
                    factor: all.factor.saturating_mul(step.factor),
                    added: all.added.saturating_add(step.added),
                })
            }
        }
    }

    fn check(self, what: &str) -> Result<(), String> {
        let Self { factor, added } = self;
        if factor > MAX_GROWTH || added > MAX_ADDED {
            return Err(format!(
                "its {what} may make a text {factor} times as long and {added} bytes longer"
            ));
        }
        Ok(())
    }
}

/// Returns the length of the longest text that a character map, in Base64, has for a character.
fn longest_replacement(map: &str) -> usize {
    let bytes = BASE64_STANDARD.decode(map).unwrap_or_default();
    let size = bytes.first_chunk::<4>().map_or(0, |size| u32::from_le_bytes(*size) as usize);
    let texts = bytes.get(4usize.saturating_add(size)..).unwrap_or_default();
    texts.split(|&byte| byte == 0).map(<[u8]>::len).max().unwrap_or(0).max(1)
}

/// Checks the steps, the added tokens and the special tokens of a tokenizer.json. Invalid JSON is left to the
/// parser.
///
/// # Errors
/// Names the step, in one line.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    #[derive(Deserialize)]
    struct Steps {
        #[serde(default)]
        added_tokens: Vec<Value>,
        #[serde(default)]
        normalizer: Value,
        #[serde(default)]
        decoder: Value,
        #[serde(default)]
        post_processor: Value,
    }

    let Ok(steps) = serde_json::from_slice::<Steps>(bytes) else { return Ok(()) };
    Growth::of(&steps.normalizer).check("normalizer")?;
    Growth::of(&steps.decoder).check("decoder")?;
    let contents = steps.added_tokens.iter().filter_map(|token| token.get("content")?.as_str());
    let size: usize = contents.map(str::len).sum();
    if size > MAX_ADDED_TOKENS {
        return Err(format!(
            "its added tokens have {size} bytes, more than the {MAX_ADDED_TOKENS} that are read"
        ));
    }
    match special_tokens(&steps.post_processor) {
        count if count > MAX_ADDED => Err(format!("its post-processor adds {count} special tokens")),
        _ => Ok(()),
    }
}

/// Returns the number of special tokens that a post-processor puts around a text.
fn special_tokens(processor: &Value) -> usize {
    if let Some(steps) = processor.get("processors").and_then(Value::as_array) {
        return steps.iter().map(special_tokens).fold(0, usize::saturating_add);
    }
    let items = processor.get("single").and_then(Value::as_array).into_iter().flatten();
    let ids = |item: &Value| {
        let name = item.get("SpecialToken")?.get("id")?.as_str()?;
        processor.get("special_tokens")?.get(name)?.get("ids")?.as_array().map(Vec::len)
    };
    items.filter_map(ids).fold(0, usize::saturating_add)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn checked(field: &str, value: &Value) -> Result<(), String> {
        check(json!({ field: value }).to_string().as_bytes())
    }

    #[test]
    fn steps_multiply() {
        let replace =
            |from: &str, to: &str| json!({"type": "Replace", "pattern": {"String": from}, "content": to});
        let spaces = json!({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"});
        let all = json!({"type": "Sequence", "normalizers": [
            replace("``", "\""), replace(" ", "▁"), spaces, {"type": "NFKC"}, {"type": "Prepend", "prepend": "▁"},
        ]});
        assert_eq!(Growth::of(&all), Growth { factor: 3 * 4 * 11, added: 3 });
        assert_eq!(Growth::of(&Value::Null), Growth::NONE);
        assert_eq!(checked("normalizer", &all), Ok(()));
        let doubled = vec![replace("a", "aa"); 40];
        let error = |field, value: Value| checked(field, &value).unwrap_err();
        assert!(error("normalizer", json!({"normalizers": doubled})).contains("its normalizer"));
        assert!(error("decoder", json!({"decoders": doubled})).contains("its decoder"));
        let prepended = json!({"normalizers": vec![json!({"prepend": "a".repeat(3000)}); 2]});
        assert!(error("normalizer", prepended).contains("6000 bytes longer"));
    }

    #[test]
    fn replacements_of_a_character_map_are_measured() {
        let map = [&8u32.to_le_bytes()[..], &[0; 8], b"ab\0abcd\0a\0"].concat();
        let step = json!({"type": "Precompiled", "precompiled_charsmap": BASE64_STANDARD.encode(map)});
        assert_eq!(Growth::of(&step).factor, 4);
    }

    #[test]
    fn tokens_around_a_text_and_added_tokens_are_counted() {
        let template = |count: usize| {
            json!({
                "single": vec![json!({"SpecialToken": {"id": "x", "type_id": 0}}); count],
                "special_tokens": {"x": {"id": "x", "ids": [0, 1, 2], "tokens": ["a", "b", "c"]}},
            })
        };
        assert_eq!(checked("post_processor", &template(10)), Ok(()));
        let error = checked("post_processor", &json!({"processors": [template(2000)]})).unwrap_err();
        assert!(error.contains("6000 special tokens"), "{error}");
        let tokens = vec![json!({"content": "x".repeat(1000)}); 2000];
        assert!(checked("added_tokens", &json!(tokens)).unwrap_err().contains("2000000 bytes"));
    }
}
