//! SentencePiece's text normalization (Kudo & Richardson 2018, section 3.2): replacement by a precompiled
//! character map, removal of extra whitespace, dummy prefix, and `▁` for spaces.

use super::SPACE;

/// A precompiled character map: a double-array trie of byte strings and their replacements.
#[derive(Clone, Debug, Default)]
pub(crate) struct Charsmap {
    trie: Vec<u32>,
    replacements: Vec<u8>,
}

impl Charsmap {
    /// Parses the `precompiled_charsmap` of a model: the trie's size in bytes, the trie, and the
    /// replacements, each terminated by a zero byte. An empty map replaces nothing.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let broken = || "the character map is truncated".to_string();
        let (size, rest) = bytes.split_at_checked(4).ok_or_else(broken)?;
        let size = u32::from_le_bytes(size.try_into().map_err(|_| broken())?) as usize;
        let (trie, replacements) = rest.split_at_checked(size).ok_or_else(broken)?;
        let trie = trie.chunks_exact(4).map(|unit| u32::from_le_bytes([unit[0], unit[1], unit[2], unit[3]]));
        Ok(Self { trie: trie.collect(), replacements: replacements.to_vec() })
    }

    /// Returns the longest entry that `text` starts with, as (length in bytes, replacement).
    fn longest(&self, text: &[u8]) -> Option<(usize, &str)> {
        let offset = |unit: u32| ((unit >> 10) << ((unit & 0x200) >> 6)) as usize;
        let mut found = None;
        let mut node = offset(*self.trie.first()?);
        for (at, &byte) in text.iter().enumerate() {
            node ^= usize::from(byte);
            let Some(&unit) = self.trie.get(node) else { break };
            if unit & 0x8000_00ff != u32::from(byte) {
                break;
            }
            node ^= offset(unit);
            if unit & 0x100 != 0 {
                found = self.trie.get(node).map(|leaf| (at + 1, (leaf & 0x7fff_ffff) as usize));
            }
        }
        let (length, start) = found?;
        let replacement = self.replacements.get(start..)?;
        let end = replacement.iter().position(|&byte| byte == 0).unwrap_or(replacement.len());
        Some((length, std::str::from_utf8(replacement.get(..end)?).ok()?))
    }
}

/// Normalizer of a model; field names follow the protocol buffer.
#[derive(Clone, Debug)]
pub(crate) struct Normalizer {
    pub charsmap: Charsmap,
    pub add_dummy_prefix: bool,
    pub remove_extra_whitespaces: bool,
    pub escape_whitespaces: bool,
    pub space_as_suffix: bool,
}

impl Normalizer {
    /// Normalizes a text. `keep` returns the length in bytes of a user-defined piece at the start of its
    /// argument, which must not change, or 0.
    pub fn normalize(&self, text: &str, keep: impl Fn(&str) -> usize) -> String {
        let space = if self.escape_whitespaces { SPACE } else { " " };
        let mut out = String::with_capacity(text.len() * 2 + space.len());
        let mut rest = text;
        if self.remove_extra_whitespaces {
            while let Some((length, " ")) = self.step(rest, &keep) {
                rest = &rest[length..];
            }
        }
        if rest.is_empty() {
            return out;
        }
        if self.add_dummy_prefix && !self.space_as_suffix {
            out.push_str(space);
        }
        let mut after_space = self.remove_extra_whitespaces;
        while let Some((length, mut replaced)) = self.step(rest, &keep) {
            if after_space {
                replaced = replaced.trim_start_matches(' ');
            }
            if !replaced.is_empty() {
                for part in replaced.split_inclusive(' ') {
                    match part.strip_suffix(' ') {
                        Some(word) => {
                            out.push_str(word);
                            out.push_str(space);
                        }
                        None => out.push_str(part),
                    }
                }
                after_space = self.remove_extra_whitespaces && replaced.ends_with(' ');
            }
            rest = &rest[length..];
        }
        if self.remove_extra_whitespaces {
            out.truncate(out.trim_end_matches(space).len());
        }
        if self.add_dummy_prefix && self.space_as_suffix {
            out.push_str(space);
        }
        out
    }

    /// Normalizes the first unit of `text`. Returns its length in bytes and its replacement.
    fn step<'a>(&'a self, text: &'a str, keep: &impl Fn(&str) -> usize) -> Option<(usize, &'a str)> {
        let first = text.chars().next()?;
        let kept = keep(text);
        if kept > 0 {
            return Some((kept, &text[..kept]));
        }
        match self.charsmap.longest(text.as_bytes()) {
            // only an entry of a broken map ends inside a character
            Some((length, replacement)) if text.is_char_boundary(length) => Some((length, replacement)),
            _ => Some((first.len_utf8(), &text[..first.len_utf8()])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> Normalizer {
        Normalizer {
            charsmap: Charsmap::default(),
            add_dummy_prefix: true,
            remove_extra_whitespaces: true,
            escape_whitespaces: true,
            space_as_suffix: false,
        }
    }

    #[test]
    fn spaces_are_squeezed_and_escaped() {
        assert_eq!(plain().normalize("  two   words ", |_| 0), "▁two▁words");
        assert_eq!(plain().normalize("   ", |_| 0), "");
        assert_eq!(plain().normalize("", |_| 0), "");
    }

    #[test]
    fn spaces_are_kept_where_the_model_keeps_them() {
        let keeping = Normalizer { remove_extra_whitespaces: false, ..plain() };
        assert_eq!(keeping.normalize(" a  b ", |_| 0), "▁▁a▁▁b▁");
        let suffix = Normalizer { space_as_suffix: true, ..plain() };
        assert_eq!(suffix.normalize("a b", |_| 0), "a▁b▁");
    }

    #[test]
    fn a_broken_map_is_an_error() {
        assert!(Charsmap::parse(&[9, 0, 0, 0, 1]).is_err());
        assert!(Charsmap::parse(&[1]).is_err());
    }
}
