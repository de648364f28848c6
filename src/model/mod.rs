//! From config.json and weights to a model that runs.
//!
//! A family (`families/`) turns config.json into a [`TransformerSpec`]: data that states the blocks of a
//! model and the names of their tensors. The stacks and the encoder-decoder are written once. Beside them
//! stands one recurrent network, for comparison.

mod builder;
mod convolutions;
mod extra_states;
mod families;
mod family;
mod front_end;
mod front_end_spec;
mod layer;
mod layer_by_layer;
mod memory;
mod network;
mod patch_embedding;
mod recognise;
mod recurrent;
mod recurrent_spec;
mod registry;
mod seq2seq;
mod spec;
mod stack;
mod stack_spec;
mod stages;
mod stages_spec;
mod tensor_names;
mod tensor_values;
mod transformer;
mod variable_patches;
mod weights;

pub use family::{ConfigReader, Family, TokenizerClass};
pub use layer_by_layer::LayerByLayer;
pub use memory::WeightsMemory;
pub use network::{DecoderInput, DecoderSequence, EncoderInput, EncoderSequence, OnLayer};
pub use registry::{architecture, registry, spec_of, supported, tokenizer_class};
pub use seq2seq::Model;
pub use spec::{
    AttentionNames, ClassToken, ConvSpec, ConvolutionsSpec, EmbeddingNorm, ExpertSpec, ExtraStatesSpec,
    FfnNames, FrontEndSpec, GlobalTokensSpec, LmHeadBias, LmHeadSpec, LmHeadTransform, MergingNames,
    ModelSpec, NgramStreamsSpec, NormKind, OutputNormNames, PatchEdge, PatchesSpec, Placement, Positions,
    Projection, PromptSpec, RecurrentAttention, RecurrentSpec, RelativeBiasSpec, Rope, SignalKind, Span,
    Sparsity, StackNames, StackSize, StackSpec, StageSpec, StagesSpec, TransformerSpec, TransientGlobalSpec,
    TurningDims, VariablePatchesSpec,
};
pub use weights::Weights;
