//! The items along the axes of attention maps, and the tokens of a vocabulary.

/// A token of a model's vocabulary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Id in the vocabulary.
    pub id: u32,
    /// The vocabulary's piece as the tokenizer spells it (`▁The`, `Ġof`, `</s>`).
    pub piece: String,
    /// True for special tokens: end, start, padding, language tags.
    pub special: bool,
}

/// An item at one position of an axis. Views, exports and metrics ask an item for its spelling and whether
/// it is special; only code that feeds a model asks for its kind.
#[derive(Clone, Debug, PartialEq)]
pub struct AxisItem {
    /// Spelling: the vocabulary's piece of a token, the begin of a frame (`1.24s`), or `rest`.
    pub piece: String,
    /// True if the item stands for no part of the input, such as special tokens.
    pub special: bool,
    /// The kind of the item, with what only this kind has.
    pub kind: ItemKind,
}

/// The kinds of [`AxisItem`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ItemKind {
    /// A token of a text.
    Token {
        /// Id in the model's vocabulary.
        id: u32,
    },
    /// A stretch of a recording, in seconds from its begin.
    Frame {
        /// Begin.
        start: f64,
        /// End.
        end: f64,
    },
    /// The last item of an axis that shows only the first positions of a source one by one: all others, whose
    /// weight is summed. Such positions are keys; as queries they are left out.
    Rest {
        /// Number of positions.
        count: usize,
    },
}

impl AxisItem {
    /// A token of a text.
    pub fn token(id: u32, piece: impl Into<String>, special: bool) -> Self {
        Self { piece: piece.into(), special, kind: ItemKind::Token { id } }
    }

    /// Returns the id in the vocabulary if the item is a token. Equal ids mean copies of one token.
    pub fn token_id(&self) -> Option<u32> {
        match self.kind {
            ItemKind::Token { id } => Some(id),
            ItemKind::Frame { .. } | ItemKind::Rest { .. } => None,
        }
    }

    /// A stretch of a recording, in seconds from its begin, rounded to microseconds.
    pub fn frame(start: f64, end: f64) -> Self {
        let [start, end] = [start, end].map(|seconds| (seconds * 1e6).round() / 1e6);
        Self { piece: format!("{start:.2}s"), special: false, kind: ItemKind::Frame { start, end } }
    }

    /// The item that stands for the last `count` positions.
    pub fn rest(count: usize) -> Self {
        Self { piece: "rest".into(), special: true, kind: ItemKind::Rest { count } }
    }

    /// Number of positions that the item stands for.
    pub fn positions(&self) -> usize {
        if let ItemKind::Rest { count } = self.kind { count } else { 1 }
    }

    /// Returns true if the item is punctuation: its piece, word-boundary marks aside, has no letter and no
    /// digit.
    pub fn is_punctuation(&self) -> bool {
        let text = self.piece.trim_start_matches(['▁', 'Ġ', 'Ċ', ' ']).trim_end_matches("</w>");
        !self.special && !text.is_empty() && !text.chars().any(char::is_alphanumeric)
    }
}

impl From<Token> for AxisItem {
    fn from(Token { id, piece, special }: Token) -> Self {
        Self::token(id, piece, special)
    }
}

/// An input or output sequence: its text, and the items that a model sees of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sequence {
    /// The text as the user gave it, or as it was generated.
    pub text: String,
    /// Its items, special ones included. Those of a target are always tokens.
    pub items: Vec<AxisItem>,
}

impl Sequence {
    /// Number of items.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Returns true if there are no items.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The ids of the tokens among the items.
    pub fn ids(&self) -> Vec<u32> {
        token_ids(&self.items)
    }
}

/// The file that a source comes from, named without its folder.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Media {
    /// Name of the file.
    pub file: String,
    /// SHA-256 of its contents in hexadecimal; `None` if it was not computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// The items that are queries of self-attention: all but an [`ItemKind::Rest`] at the end.
pub fn queries(items: &[AxisItem]) -> &[AxisItem] {
    match items.split_last() {
        Some((last, others)) if matches!(last.kind, ItemKind::Rest { .. }) => others,
        _ => items,
    }
}

/// The ids of the items if every one of them is a token.
pub fn all_token_ids(items: &[AxisItem]) -> Option<Vec<u32>> {
    items.iter().map(AxisItem::token_id).collect()
}

/// The ids of the tokens among `items`.
pub fn token_ids(items: &[AxisItem]) -> Vec<u32> {
    items.iter().filter_map(AxisItem::token_id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn punctuation_is_seen_through_word_marks() {
        for piece in [",", "▁«", "Ġ--", "。", "!</w>"] {
            assert!(AxisItem::token(0, piece, false).is_punctuation(), "{piece}");
        }
        for piece in ["▁a", "Ġ1", "字", "▁", "é"] {
            assert!(!AxisItem::token(0, piece, false).is_punctuation(), "{piece}");
        }
        assert!(!AxisItem::token(0, "</s>", true).is_punctuation());
    }
}
