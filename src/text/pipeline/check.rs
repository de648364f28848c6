//! Checks of a tokenizer's files before the `tokenizers` crate parses them. It allocates what a file
//! announces, and builds and drops a trie whose depth is the length of the longest piece.

use base64::prelude::{BASE64_STANDARD, Engine as _};

use crate::checkpoint::json::{max_values, string_at};

/// Longest string other than a character map, in bytes.
const MAX_STRING: usize = 4096;

/// Field of a normalizer with a character map in Base64.
const CHARSMAP: &[u8] = b"precompiled_charsmap";

/// Checks the announced size of a precompiled character map: four bytes with the size of a trie, the trie,
/// and text.
///
/// # Errors
/// The map is shorter than it says.
pub(crate) fn charsmap(map: &[u8]) -> Result<(), String> {
    let size = map.first_chunk::<4>().map(|size| u32::from_le_bytes(*size) as usize);
    match size {
        Some(size) if size <= map.len() - 4 => Ok(()),
        _ => Err("the character map is truncated".into()),
    }
}

/// Checks the sizes of strings, the number of values and the character maps of a tokenizer.json. Invalid JSON
/// is left to the parser.
///
/// # Errors
/// Names what is too large, in one line.
pub(crate) fn json(bytes: &[u8]) -> Result<(), String> {
    let mut values = 0usize;
    let mut at = 0;
    let mut is_charsmap = false;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => {
                let string = string_at(bytes, at);
                at += string.len() + 1;
                match is_charsmap {
                    true => encoded_charsmap(string)?,
                    false if string.len() > MAX_STRING => {
                        return Err(format!(
                            "a string of {} bytes, more than the {MAX_STRING} that are read",
                            string.len()
                        ));
                    }
                    false => {}
                }
                is_charsmap = is_charsmap_key(string);
            }
            b',' | b'[' | b'{' => {
                is_charsmap = false;
                values += 1;
            }
            _ => {}
        }
    }
    match max_values(bytes.len()) {
        most if values > most => Err(format!("it has {values} values, more than the {most} that are read")),
        _ => Ok(()),
    }
}

fn is_charsmap_key(string: &[u8]) -> bool {
    if string == CHARSMAP {
        return true;
    }
    // The same key with escapes.
    string.contains(&b'\\')
        && string.len() < 8 * CHARSMAP.len()
        && serde_json::from_slice::<String>(&[b"\"", string, b"\""].concat())
            .is_ok_and(|key| key.as_bytes() == CHARSMAP)
}

/// Checks a character map in Base64 by its first bytes and its length.
fn encoded_charsmap(string: &[u8]) -> Result<(), String> {
    let Some(start) = string.first_chunk::<8>() else { return Ok(()) };
    // What is not Base64 is left to the parser, which allocates nothing for it.
    let Ok(start) = BASE64_STANDARD.decode(start) else { return Ok(()) };
    let size = start.first_chunk::<4>().map_or(0, |size| u32::from_le_bytes(*size) as usize);
    if size > string.len() / 4 * 3 { Err("the character map is truncated".into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(size: u32) -> String {
        let bytes = [&size.to_le_bytes()[..], &[0; 8], b"text"].concat();
        format!(
            r#"{{"normalizer": {{"type": "Precompiled", "precompiled_charsmap": "{}"}}}}"#,
            BASE64_STANDARD.encode(bytes)
        )
    }

    #[test]
    fn a_character_map_is_no_shorter_than_it_says() {
        assert_eq!(json(map(8).as_bytes()), Ok(()));
        assert!(json(map(u32::MAX).as_bytes()).is_err());
        assert!(json(map(u32::MAX).replace("pre", "\\u0070re").as_bytes()).is_err());
        assert!(charsmap(&[9, 0, 0, 0, 1]).is_err() && charsmap(&[1]).is_err());
        assert_eq!(charsmap(&[1, 0, 0, 0, 1]), Ok(()));
    }

    #[test]
    fn long_strings_and_many_values_are_refused() {
        let piece =
            |length: usize| format!(r#"{{"model": {{"vocab": [["a\"b{}", 0]]}}}}"#, "x".repeat(length));
        assert_eq!(json(piece(4000).as_bytes()), Ok(()));
        assert!(json(piece(5000).as_bytes()).unwrap_err().contains("a string of"));
        assert!(json("[],".repeat(1 << 20).as_bytes()).unwrap_err().contains("values"));
        assert_eq!(json(b"\"never closed"), Ok(()));
    }
}
