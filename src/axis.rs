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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AxisItem {
    /// Spelling: the vocabulary's piece of a token.
    pub piece: String,
    /// True if the item stands for no part of the input, such as special tokens.
    pub special: bool,
    /// The kind of the item, with what only this kind has.
    pub kind: ItemKind,
}

/// The kinds of [`AxisItem`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemKind {
    /// A token of a text.
    Token {
        /// Id in the model's vocabulary.
        id: u32,
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
        }
    }
}

impl From<Token> for AxisItem {
    fn from(Token { id, piece, special }: Token) -> Self {
        Self::token(id, piece, special)
    }
}

/// An input or output sequence: its text, and the items that a model sees of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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

/// The ids of the tokens among `items`.
pub fn token_ids(items: &[AxisItem]) -> Vec<u32> {
    items.iter().filter_map(AxisItem::token_id).collect()
}
