//! Results of generation.

/// A generated text. Ids lack the start token.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GeneratedText {
    /// Its ids.
    pub ids: Vec<u32>,
    /// All texts that a beam search finished, the best first; empty for other searches.
    pub beams: Vec<FinishedBeam>,
    /// Mean log-probability of the tokens after the prompt, in nats, if it was asked for
    /// ([`GenerationConfig::scored`](super::GenerationConfig::scored)). It is that among the tokens which the
    /// processors allow, without length penalty.
    pub log_probability: Option<f64>,
}

/// A text that a beam search finished.
#[derive(Clone, Debug, PartialEq)]
pub struct FinishedBeam {
    /// Its ids, without the start token.
    pub ids: Vec<u32>,
    /// Sum of the log-probabilities of its tokens, divided by its length to the power of the length penalty, as
    /// `sequences_scores` of transformers.
    pub score: f32,
}
