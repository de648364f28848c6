//! Checks of a tokenizer's files before the `tokenizers` crate parses them. It allocates what a file
//! announces, and builds and drops a trie whose depth is the length of the longest piece.

use std::borrow::Cow;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::checkpoint::json::{max_values, string_at};

/// Longest string other than a character map, in bytes.
const MAX_STRING: usize = 4096;

/// Largest trie of a unigram vocabulary, in nodes, and how much it may grow with each piece. A node takes some
/// 350 bytes. Real vocabularies have three to five nodes a piece, as most pieces begin like others.
const TRIE_NODES: usize = 300_000;
const TRIE_NODES_A_PIECE: usize = 4;

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

/// Checks the size of the trie that the `tokenizers` crate builds from the pieces of a unigram vocabulary.
///
/// # Errors
/// One line with the limit.
pub(crate) fn trie<'a>(pieces: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut pieces: Vec<&[u8]> = pieces.map(str::as_bytes).collect();
    let most = TRIE_NODES + TRIE_NODES_A_PIECE * pieces.len();
    if pieces.iter().map(|piece| piece.len()).sum::<usize>() <= most {
        return Ok(());
    }
    pieces.sort_unstable();
    let (mut nodes, mut last): (usize, &[u8]) = (0, &[]);
    for piece in pieces {
        let shared = piece.iter().zip(last).take_while(|(a, b)| a == b).count();
        nodes += piece.len() - shared;
        last = piece;
    }
    match nodes > most {
        true => Err(format!("its pieces need {nodes} nodes of a trie, more than the {most} that are built")),
        false => Ok(()),
    }
}

/// Checks the trie of a unigram vocabulary in a tokenizer.json. Other models and invalid JSON are left to the
/// parser.
///
/// # Errors
/// One line with the limit.
pub(crate) fn trie_of_json(bytes: &[u8]) -> Result<(), String> {
    #[derive(Deserialize)]
    struct UnigramJson<'a> {
        #[serde(borrow)]
        model: UnigramModel<'a>,
    }
    #[derive(Deserialize)]
    struct UnigramModel<'a> {
        #[serde(borrow)]
        vocab: Vec<ScoredPiece<'a>>,
    }
    #[derive(Deserialize)]
    struct ScoredPiece<'a>(#[serde(borrow)] Cow<'a, str>, IgnoredAny);

    match serde_json::from_slice::<UnigramJson>(bytes) {
        Ok(UnigramJson { model }) => trie(model.vocab.iter().map(|ScoredPiece(piece, _)| piece.as_ref())),
        Err(_) => Ok(()),
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
    fn the_trie_of_long_pieces_is_bounded() {
        let pieces = |count: usize, shared: &str| -> Vec<String> {
            (0..count).map(|at| format!("{shared}{}", format!("{at:06}").repeat(40))).collect()
        };
        let check = |pieces: &[String]| trie(pieces.iter().map(String::as_str));
        assert_eq!(check(&pieces(1000, "")), Ok(()));
        assert!(check(&pieces(2000, "")).unwrap_err().contains("nodes of a trie"));
        // Each node counts once, however many pieces it is part of.
        let alike: Vec<String> = (0..5000).map(|at| format!("{}{at:04}", "x".repeat(300))).collect();
        assert_eq!(check(&alike), Ok(()));
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
