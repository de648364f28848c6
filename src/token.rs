//! Tokens and the sequences they form.

/// One token of a sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its id in the model's vocabulary.
    pub id: u32,
    /// The vocabulary's piece, as the tokenizer spells it (`▁The`, `Ġof`, `</s>`).
    pub piece: String,
    /// Whether it is a special token: end, start, padding, a language tag.
    pub special: bool,
}

/// A text and the tokens that the model saw of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sequence {
    /// The text as the user gave it, or as it was generated.
    pub text: String,
    /// Its tokens, special ones included.
    pub tokens: Vec<Token>,
}

impl Sequence {
    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there are no tokens.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The ids of the tokens.
    pub fn ids(&self) -> Vec<u32> {
        self.tokens.iter().map(|token| token.id).collect()
    }
}
