//! Specification of a recurrent encoder-decoder.

/// Attention of a recurrent decoder over the encoder's states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecurrentAttention {
    /// None: every step sees the last states of the encoder's two directions.
    None,
    /// Additive attention (Bahdanau et al. 2014).
    Additive {
        /// Width of its hidden layer.
        size: usize,
    },
}

/// A recurrent encoder-decoder.
#[derive(Clone, Debug)]
pub struct RecurrentSpec {
    /// `model_type` of config.json.
    pub model_type: String,
    /// Attention over the source.
    pub attention: RecurrentAttention,
    /// Size of the vocabulary.
    pub vocabulary: usize,
    /// Width of the embeddings.
    pub width: usize,
    /// Width of the encoder's state in one direction.
    pub encoder: usize,
    /// Width of the decoder's state.
    pub decoder: usize,
    /// Factor on the token embeddings.
    pub embedding_scale: f64,
    /// First decoder token, if config.json states it.
    pub start: Option<u32>,
    /// Token that ends a text.
    pub end: Option<u32>,
}
