//! From config.json to the one encoder-decoder.
//!
//! A family (`families/`) turns config.json into a [`ModelSpec`]: data that says which blocks stand where
//! and what their tensors are called. The stacks and the encoder-decoder are written once. Beside it stands
//! one recurrent network, for comparison.

mod build;
mod families;
mod family;
mod pickle;
mod recurrent;
mod registry;
mod second;
mod seq2seq;
mod spec;
mod stack;
mod torch;
mod weights;

pub use family::{Family, Reader, TokenizerClass};
pub use recurrent::{RecurrentSpec, Scoring};
pub use registry::{architecture, registry, spec_of, supported, tokenizer_class};
pub use seq2seq::Model;
pub use spec::{
    AfterNames, AttentionNames, BiasSpec, EmbeddingNorm, ExpertSpec, FfnNames, HeadBias, HeadSpec,
    HeadTransform, ModelSpec, NormKind, Placement, Positions, PromptSpec, Rare, Reach, SecondSpec, Span,
    Spec, StackNames, StackSpec, SummarySpec, Wave,
};
pub use weights::Weights;
